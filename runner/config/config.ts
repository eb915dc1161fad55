// Reads a sweep's YAML file into checked, resolved values. Errors name a wrong key and the nearest known one.
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
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
    .describe("Prompt lengths in tokens."),
  decodeTokens: z.int().min(2).max(4096).default(32).describe("Tokens generated after each prompt."),
  repetitions: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("Measured repetitions in each process. Default: the device profile's."),
  warmup: z
    .strictObject({ max: z.int().min(0).max(100), tolerance: z.number().positive() })
    .partial()
    .optional()
    .describe(
      "Warm-up repetitions, until two in a row differ by less than the tolerance. Default: the device profile's.",
    ),
  kv: z.enum(["f16", "q8_0"]).default("f16"),
  batch: z
    .int()
    .min(1)
    .max(1024)
    .optional()
    .describe("Sequences decoded together (default 1); metrics are then named ttftMs@1024x4."),
  threads: z.int().min(0).max(1024).default(0).describe("Threads; 0: one per available core."),
  isa: z.string().default("auto"),
  seed: z.int().min(0).default(1).describe("Seed of the weights, which the device generates."),
  protocol: protocolSchema.prefault({}).describe("Rules of measuring that differ from the device's profile."),
  timeoutSeconds: z.number().positive().default(600),
  attempts: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe("A layout fails if its agent dies this often while measuring it."),
  patienceMinutes: z
    .number()
    .positive()
    .default(1440)
    .describe("Minutes that a job waits for a lost device before the sweep stops; --resume continues it."),
});

const screeningSchema = z.strictObject({
  coverage: z
    .number()
    .min(0.5)
    .max(0.999)
    .default(0.95)
    .describe(
      "Confidence of the predicted intervals. Screening starts after 19 measured layouts for 0.95, after 10 for 0.9.",
    ),
  audit: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("Share of the screened layouts that is measured anyway, to check the predictions."),
  leastChance: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.05)
    .describe("A layout is also screened if its chance to fit memory and time limits is below this."),
  candidates: z
    .int()
    .min(1)
    .max(1000)
    .default(4)
    .describe("Largest number of proposals for each trial; screened layouts do not count as trials."),
});

const repeatSchema = z.strictObject({
  share: z
    .number()
    .positive()
    .max(1)
    .default(0.25)
    .describe("Largest share of the device time so far, and of the training time, for repetitions."),
  limit: z
    .int()
    .min(1)
    .max(100)
    .default(3)
    .describe("Largest number of further measurements of one layout, and of further seeds."),
  minimumGain: z
    .number()
    .min(0)
    .max(1)
    .default(0.001)
    .describe("Least expected gain of a repetition, as a share of the hypervolume."),
});

const replicateSchema = z.strictObject({
  layouts: z
    .int()
    .min(0)
    .max(1000)
    .default(8)
    .describe("Layouts with two sessions and two seeds at least. 0: errors stay unknown."),
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
    .describe("A published experiment: proposes its layouts first and answers its questions."),
  studyLayouts: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("Number of the study's layouts that become trials, the first ones; default: all."),
  seed: z.int().min(0).default(1).describe("Seed of every proposal."),
  space: spaceSchema,
  search: z.strictObject({
    strategy: z.enum(strategyNames as [StrategyName, ...StrategyName[]]).default("random"),
    trials: z.int().min(1).max(100_000_000).describe("Total number of proposed layouts."),
    batch: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe("Proposals at a time; the strategy gets results between batches."),
    options: z.record(z.string(), z.unknown()).default({}),
    settled: z
      .strictObject({
        patience: z.int().min(1).default(50).describe("Finished trials without a gain that end the sweep."),
        minimumGain: z
          .number()
          .min(0)
          .default(0.005)
          .describe("Relative growth of the hypervolume that counts as a gain."),
        doubt: z
          .number()
          .min(0)
          .max(0.5)
          .default(0.1)
          .describe("Chances within this of 0 or 1 are certain; 0.5: all are. Others keep the sweep going."),
      })
      .optional()
      .describe("Ends the sweep before `trials` when the front has settled. Default: run all trials."),
    screening: screeningSchema
      .optional()
      .describe(
        "Skip layouts that the predictor, fitted to this sweep, is confident are over a budget; measure the most promising first.",
      ),
    replicate: replicateSchema
      .prefault({})
      .describe(
        "Layouts that are measured and trained twice, so that the error of all values is known; the front's first.",
      ),
    repeat: repeatSchema
      .optional()
      .describe(
        "Measure or train layouts again if that decides the front; the largest gain per minute comes first.",
      ),
  }),
  measure: measureSchema.prefault({}),
  score: scoreSchema.optional().describe("Proxy training. Leave out to search on device metrics only."),
  objectives: z
    .array(
      z.strictObject({
        metric: z.string().describe("A metric: decodeP50Ms@1024, peakBytes:phone, recall.accuracy"),
        direction: z.enum(["min", "max"]).optional().describe("Default: the metric's better direction."),
        over: z
          .enum(["each", ...AGGREGATES])
          .optional()
          .describe(
            "With several devices: one objective for each, the worst of them, or their weighted geometric mean.",
          ),
        weights: z
          .record(z.string(), z.number().positive())
          .optional()
          .describe("Weight of each device in worst or weighted; default 1."),
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
    .describe("A trial that breaks a budget is infeasible: stored and shown, never on the front."),
});
export type SweepConfig = z.infer<typeof sweepSchema>;

const unitBytes = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Returns a bound as a number in the metric's unit. */
export function parseBound(value: number | string): number {
  if (typeof value === "number") return value;
  const unit = value.replace(/^[\d.]+/, "") as keyof typeof unitBytes;
  return Number.parseFloat(value) * unitBytes[unit];
}

/** Checks options by the schema of a registry entry; `where` is their place in the configuration. */
function checkOptions(schema: z.ZodType, options: unknown, where: string): void {
  const parsed = schema.safeParse(options);
  if (!parsed.success) throw new InvalidInputError("bad-config", describeIssues(parsed.error, schema, where));
}

/** Checks that the trainer can pause and that training decides an objective or a budget, both of which rungs need. */
function checkRungs({ objectives, budgets }: SweepConfig, score: ScoreConfig, source: string): void {
  const bad = (why: string): InvalidInputError =>
    new InvalidInputError("bad-config", `${source}: score.rungs: ${why}`);
  if (!TRAINERS[score.trainer.backend].pause)
    throw bad(`${score.trainer.backend} cannot pause a run; use \`trainer: native\`, or leave rungs out`);
  const names = [...objectives, ...budgets].map(({ metric }) => metric);
  if (!names.some((name) => isTrained(name, score)))
    throw bad("no objective or budget is decided by training; add one, or leave rungs out");
}

/**
 * Parses and checks a configuration.
 * @throws InvalidInputError (`bad-config`) with one line.
 */
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

/** Reads and checks a file. Throws InvalidInputError (`unreadable-config`, `bad-config`). */
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
