// The sweep's configuration: YAML in, checked and resolved values out. A wrong key is named with the nearest known one.
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { spaceSchema } from "../../candidates/space.ts";
import { AGGREGATES } from "../../profilers/device-aggregate.ts";
import { withPreset } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { type DesignName, designs } from "../../search/designs/design-registry.ts";
import { type StrategyName, strategies, strategyNames } from "../../search/strategy-registry.ts";
import { describeIssues } from "./config-errors.ts";
import { protocolSchema } from "./config-protocol.ts";
import { isTrained, type ScoreConfig, scoreSchema, TRAINERS } from "./config-score.ts";

/** Published experiments that can be repeated (runner/reproduction/studies.ts). */
export const studyNames = Object.keys(designs) as [DesignName, ...DesignName[]];
export type StudyName = DesignName;

const bound = z.union([
  z.number(),
  z.string().regex(/^\d+(\.\d+)?(KB|MB|GB|KiB|MiB|GiB)$/, "write a number, or bytes as 64MB or 64MiB"),
]);

const measureSchema = z.strictObject({
  devices: z
    .array(z.string())
    .min(1)
    .default(["local"])
    .describe("Names of registered devices; `local` is this machine."),
  quantization: z.enum(quantizations).default("q4_0"),
  contexts: z
    .array(z.int().min(1).max(1_048_576))
    .min(1)
    .default([1024])
    .describe("Prompt lengths to measure at."),
  decodeTokens: z.int().min(2).max(4096).default(32).describe("Tokens generated after each prompt."),
  repetitions: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("Measured runs in each process. Default: the device profile's."),
  warmup: z
    .strictObject({ max: z.int().min(0).max(100), tolerance: z.number().positive() })
    .partial()
    .optional()
    .describe(
      "Whole warm-up runs until two in a row differ by less than the tolerance. Default: the device profile's.",
    ),
  kv: z.enum(["f16", "q8_0"]).default("f16"),
  batch: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe("Sequences decoded together (default 1); metrics are then named ttftMs@1024x4."),
  threads: z.int().min(0).max(1024).default(0).describe("0: one per core the device lets us use."),
  isa: z.string().default("auto"),
  seed: z.int().min(0).default(1).describe("Seed of the weights, which are made on the device."),
  protocol: protocolSchema
    .prefault({})
    .describe("How measurements are conducted, where it differs from the device's profile."),
  timeoutSeconds: z.number().positive().default(600),
  attempts: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe("A candidate that takes its agent down this often is blamed for it."),
  patienceMinutes: z
    .number()
    .positive()
    .default(1440)
    .describe("How long a job waits for a lost device to come back before the sweep stops, to be resumed."),
});

const screeningSchema = z.strictObject({
  coverage: z
    .number()
    .min(0.5)
    .max(0.999)
    .default(0.95)
    .describe(
      "Of the predicted intervals; 0.95 needs 19 measured layouts, 0.9 needs 10, before anything is screened.",
    ),
  audit: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of those screened out that is measured all the same, to see whether it was right."),
  leastChance: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.05)
    .describe("A layout less likely than this to fit memory and time limits is screened out too."),
  candidates: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe("Proposals looked at for each trial, at most: those screened out do not count as trials."),
});

const repeatSchema = z.strictObject({
  share: z
    .number()
    .positive()
    .max(1)
    .default(0.25)
    .describe("Of the device time spent so far, and of the training time, at most this goes to repetitions."),
  limit: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("More measurements of one layout at most, and as many more seeds."),
  minimumGain: z
    .number()
    .min(0)
    .max(1)
    .default(0.001)
    .describe("Share of the hypervolume that a repetition must be expected to put right."),
});

const replicateSchema = z.strictObject({
  layouts: z
    .int()
    .min(0)
    .max(1000)
    .default(8)
    .describe(
      "Layouts that end with at least two measurement sessions and two seeds. 0: errors stay unknown.",
    ),
});

export const sweepSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .describe("Default name of the sweep."),
  description: z.string().optional(),
  study: z
    .enum(studyNames)
    .optional()
    .describe(
      "A published experiment: its layouts are proposed first, its questions answered in the report.",
    ),
  studyLayouts: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("Of the study's layouts only the first so many become trials; default: all of them."),
  seed: z.int().min(0).default(1).describe("Seed of every proposal."),
  space: spaceSchema,
  search: z.strictObject({
    strategy: z.enum(strategyNames as [StrategyName, ...StrategyName[]]).default("random"),
    trials: z.int().min(1).max(100_000_000).describe("Proposals in all."),
    batch: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe("Proposals at a time; results are told between batches."),
    options: z.record(z.string(), z.unknown()).default({}),
    settled: z
      .strictObject({
        patience: z.int().min(1).default(50).describe("Finished trials without a gain."),
        minimumGain: z
          .number()
          .min(0)
          .default(0.005)
          .describe("Relative growth of hypervolume that is a gain."),
        doubt: z
          .number()
          .min(0)
          .max(0.5)
          .default(0.1)
          .describe("Chances within this of 0 and 1 are no doubt; 0.5: doubts do not keep a sweep going."),
      })
      .optional()
      .describe("Stop before `trials` when the front has settled; leave out to run them all."),
    screening: screeningSchema
      .optional()
      .describe(
        "Do not measure what is predicted to be certainly over a budget; measure the most promising first.",
      ),
    replicate: replicateSchema
      .prefault({})
      .describe(
        "How many layouts are measured and trained twice, so that the error of all values is known: the front's first.",
      ),
    repeat: repeatSchema
      .optional()
      .describe(
        "Measure or train layouts once more where that decides the front; what gains most per minute comes first.",
      ),
  }),
  measure: measureSchema.prefault({}),
  score: scoreSchema.optional().describe("Proxy training; leave out to search on device metrics alone."),
  objectives: z
    .array(
      z.strictObject({
        metric: z.string().describe("e.g. decodeP50Ms@1024, peakBytes:phone, recall.accuracy"),
        direction: z.enum(["min", "max"]).optional().describe("Default: the metric's better direction."),
        over: z
          .enum(["each", ...AGGREGATES])
          .optional()
          .describe(
            "Of several devices: an objective for each, the worst of them, or their weighted geometric mean.",
          ),
        weights: z
          .record(z.string(), z.number().positive())
          .optional()
          .describe("How much each device counts in worst or weighted; default 1."),
      }),
    )
    .min(1)
    .max(6),
  budgets: z
    .array(
      z
        .strictObject({ metric: z.string(), max: bound.optional(), min: bound.optional() })
        .refine((b) => b.max !== undefined || b.min !== undefined, { message: "a budget needs max or min" }),
    )
    .default([])
    .describe("A trial that breaks one is infeasible: kept and shown, never on the front."),
});
export type SweepConfig = z.infer<typeof sweepSchema>;

const unitBytes = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** A bound in the metric's unit. */
export function parseBound(value: number | string): number {
  if (typeof value === "number") return value;
  const unit = value.replace(/^[\d.]+/, "") as keyof typeof unitBytes;
  return Number.parseFloat(value) * unitBytes[unit];
}

/** Checks options whose schema belongs to a registry entry, naming where they stand in the configuration. */
function checkOptions(schema: z.ZodType, options: unknown, where: string): void {
  const parsed = schema.safeParse(options);
  if (!parsed.success) throw new InvalidInputError("bad-config", describeIssues(parsed.error, schema, where));
}

/** Rungs need a trainer that can pause, and something that training decides. */
function checkRungs({ objectives, budgets }: SweepConfig, score: ScoreConfig, source: string): void {
  const bad = (why: string): InvalidInputError =>
    new InvalidInputError("bad-config", `${source}: score.rungs: ${why}`);
  if (!TRAINERS[score.trainer.backend].pause)
    throw bad(`${score.trainer.backend} cannot pause a run; use \`trainer: native\`, or leave rungs out`);
  const names = [...objectives, ...budgets].map(({ metric }) => metric);
  if (!names.some((name) => isTrained(name, score)))
    throw bad("no objective or budget is decided by training; add one, or leave rungs out");
}

/** Parses and checks a configuration. Throws InvalidInputError (`bad-config`) with one line. */
export function parseSweepConfig(text: string, source: string): SweepConfig {
  const document = parseDocument(text, { uniqueKeys: true });
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    const line = syntax.linePos?.[0].line;
    const what = syntax.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "");
    throw new InvalidInputError("bad-config", `${source}${line ? `:${line}` : ""}: not valid YAML: ${what}`);
  }
  const data: unknown = document.toJS({ maxAliasCount: 100 });
  const parsed = sweepSchema.safeParse(data);
  if (!parsed.success) {
    throw new InvalidInputError("bad-config", `${source}: ${describeIssues(parsed.error, sweepSchema)}`);
  }
  const config = parsed.data;
  const strategy = strategies[config.search.strategy];
  checkOptions(strategy.optionsSchema, config.search.options, `${source}: search.options`);
  for (const [name, task] of Object.entries(config.score?.tasks ?? {})) {
    const known = taskOf(task.task as TaskName);
    const options = withPreset(known, task.preset, task.options, task.task);
    checkOptions(known.optionsSchema, options, `${source}: score.tasks.${name}.options`);
  }
  if (config.score?.rungs !== undefined) checkRungs(config, config.score, source);
  return config;
}

export function readSweepConfig(path: string): SweepConfig {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      code === "ENOENT" ? "no such file" : code === "EISDIR" ? "it is a folder" : (code ?? "unreadable");
    throw new InvalidInputError("unreadable-config", `cannot read the configuration ${path}: ${why}`, {
      cause,
    });
  }
  return parseSweepConfig(text, path);
}
