// The sweep's configuration: YAML in, checked and resolved values out. A wrong key is named with the nearest known one.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { parseDocument } from "yaml";
import { z } from "zod";
import { InvalidInputError } from "../candidates/errors.ts";
import { quantizations } from "../candidates/quantization.ts";
import { spaceSchema } from "../candidates/space.ts";
import { AGGREGATES } from "../profilers/device-aggregate.ts";
import { proxySchema } from "../profilers/proxy.ts";
import { compositeSchema } from "../profilers/tasks/composite.ts";
import { type TaskName, taskNames, taskOf } from "../profilers/tasks/registry.ts";
import { withPreset } from "../profilers/tasks/task.ts";
import { type StrategyName, strategies, strategyNames } from "../search/registry.ts";
import { describeIssues } from "./config-errors.ts";
import { protocolSchema } from "./measurement/rules.ts";

/** Published experiments that can be repeated (runner/reproduction/studies.ts). */
export const studyNames = ["minimal-hybrid"] as const;
export type StudyName = (typeof studyNames)[number];

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

const stopSchema = z.strictObject({
  every: z.int().min(1).default(100).describe("Steps between looks at the validation loss."),
  accuracy: z.number().min(0).max(1).optional().describe("Converged at this validation accuracy."),
  patience: z.int().min(1).optional().describe("A plateau: looks in a row without a better loss."),
  improvement: z.number().min(0).max(1).default(0.001).describe("Better means by this share."),
  hopelessStep: z.int().min(1).optional().describe("From the first look at or after this step on,"),
  hopelessLoss: z.number().positive().optional().describe("a validation loss above this is hopeless."),
});

const distillSchema = z.strictObject({
  objective: z.enum(["top-k", "decoupled-top-k"]).default("decoupled-top-k"),
  teacher: z
    .string()
    .describe("A layout (name or notation) to train first as the teacher, or a .gguf, or an .efl of logits."),
  teacherSteps: z.int().min(1).max(10_000_000).optional().describe("Default: as many as the student's."),
  k: z.int().min(1).max(256).default(32),
  temperature: z.number().positive().max(1000).default(2),
  mix: z.number().min(0).max(1).default(0.5).describe("Share of distillation; the rest is cross-entropy."),
});
type DistillConfig = z.infer<typeof distillSchema>;

const trainingSchema = z.strictObject({
  steps: z.int().min(1).max(10_000_000).default(300),
  batch: z.int().min(1).max(65_536).default(32),
  learningRate: z
    .union([z.number().positive().max(10), z.array(z.number().positive().max(10)).min(2).max(8)])
    .default(3e-3)
    .describe("A list is tried out for each candidate; the best of short runs is taken."),
  learningRateTrial: z
    .number()
    .positive()
    .max(1)
    .default(0.125)
    .describe("Length of those short runs, as a share of the steps."),
  baseWidth: z
    .number()
    .positive()
    .max(2 ** 20)
    .optional()
    .describe(
      "muP: the proxy width that the learning rate was tuned at; wider proxies' matrices learn slower.",
    ),
  minLearningRate: z.number().min(0).optional().describe("Default: a tenth of the learning rate."),
  warmupSteps: z.int().min(0).optional().describe("Default: a tenth of the steps."),
  weightDecay: z.number().min(0).max(10).default(0.1),
  clip: z.number().positive().default(1),
  beta2: z.number().min(0).max(1).default(0.95),
  evalBatches: z.int().min(1).default(8),
  stop: stopSchema.optional().describe("Ends a run early, and says why."),
  distill: distillSchema.optional().describe("Learn from a teacher's probabilities too."),
  checkpointEvery: z
    .int()
    .min(1)
    .default(500)
    .describe("Steps after which a run that is killed goes on where it was."),
});

const taskSchema = z.strictObject({
  task: z.enum(taskNames),
  preset: z.string().optional().describe("A named setting of the task; `options` win over it."),
  options: z.record(z.string(), z.unknown()).default({}).describe("Options of the task itself."),
  training: trainingSchema.prefault({}),
  proxy: proxySchema.partial().optional().describe("Overrides of the proxy for this task."),
});

const trainerSchema = z.strictObject({
  backend: z.enum(["native", "pytorch"]).default("native"),
  python: z
    .string()
    .regex(/^[\w./+-]{1,200}$/, "name a Python without blanks")
    .default("python3")
    .describe("pytorch: the Python there that has torch and numpy."),
  device: z.string().default("local").describe("pytorch: the registered device it runs on."),
});

const rungsSchema = z.strictObject({
  at: z
    .array(z.number().gt(0).lt(1))
    .min(1)
    .max(8)
    .refine((at) => at.every((share, n) => n === 0 || share > at[n - 1]!), {
      message: "must rise from one rung to the next",
    })
    .describe("Shares of each task's steps at which a trial is looked at, e.g. [0.25, 0.5]."),
  eta: z
    .number()
    .gt(1)
    .max(100)
    .default(3)
    .describe("The best 1/eta of the trials that reached a rung go on in any case."),
  margin: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe(
      "Of the others, those go on that no trial dominates by more than this share of the range of each training metric at the rung.",
    ),
  minimum: z
    .int()
    .min(2)
    .default(4)
    .describe("Nobody is stopped before so many trials have reached the rung, itself included."),
});

const scoreSchema = z.strictObject({
  trainer: z
    .union([trainerSchema.shape.backend.unwrap(), trainerSchema])
    .transform((given) => (typeof given === "string" ? trainerSchema.parse({ backend: given }) : given))
    .prefault("native")
    .describe("Who trains: the bundled kernels on this machine, or PyTorch where there is one."),
  proxy: proxySchema,
  seeds: z
    .array(z.int().min(0))
    .min(1)
    .default([1])
    .describe("Each candidate is trained once with each seed."),
  threads: z.int().min(0).default(0),
  timeoutSeconds: z.number().positive().default(3600),
  rungs: rungsSchema
    .optional()
    .describe(
      "Stop the training of trials that others beat clearly on the way; leave out to train each to its end.",
    ),
  composite: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9_-]{0,31}$/), compositeSchema)
    .optional()
    .describe("Scores made of several, as metrics composite.<name>; the components stay."),
  tasks: z.record(z.string().regex(/^[a-z][a-zA-Z0-9_-]{0,31}$/), taskSchema),
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
export type TrainerConfig = z.infer<typeof trainerSchema>;
export type TaskConfig = z.infer<typeof taskSchema>;

/** A task whose training distils, with what is given over what it says; names the teacher as missing where none is. */
export function withDistillation(
  task: TaskConfig,
  given: {
    readonly objective: DistillConfig["objective"];
    readonly teacher?: string;
    readonly temperature?: number;
  },
): TaskConfig {
  const parsed = distillSchema.safeParse({ ...task.training.distill, ...given });
  if (!parsed.success) {
    const what =
      parsed.error.issues[0]?.path[0] === "teacher"
        ? "a distilling objective needs a teacher: name a layout or a file with --teacher"
        : describeIssues(parsed.error, distillSchema);
    throw new InvalidInputError("no-teacher", what);
  }
  return { ...task, training: { ...task.training, distill: parsed.data } };
}

const unitBytes = { KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** A bound in the metric's unit. */
export function parseBound(value: number | string): number {
  if (typeof value === "number") return value;
  const unit = value.replace(/^[\d.]+/, "") as keyof typeof unitBytes;
  return Number.parseFloat(value) * unitBytes[unit];
}

/** The configuration as it is stored and reported: absolute paths of the user's texts keep their last part only. */
export function withoutPaths(config: SweepConfig): SweepConfig {
  const shorten = (value: unknown): unknown =>
    typeof value === "string" && /^(?:~|\/|[A-Za-z]:)/.test(value) ? `.../${basename(value)}` : value;
  const tasks = Object.entries(config.score?.tasks ?? {}).map(([name, task]) => {
    const options = Object.entries(task.options).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.map(shorten) : shorten(value),
    ]);
    return [name, { ...task, options: Object.fromEntries(options) as Record<string, unknown> }];
  });
  const score = config.score && {
    ...config.score,
    tasks: Object.fromEntries(tasks) as typeof config.score.tasks,
  };
  // JSON forgets what is undefined; stored and fresh configurations are compared.
  return JSON.parse(JSON.stringify({ ...config, score })) as SweepConfig;
}

/** Checks options whose schema belongs to a registry entry, naming where they stand in the configuration. */
function checkOptions(schema: z.ZodType, options: unknown, where: string): void {
  const parsed = schema.safeParse(options);
  if (!parsed.success) throw new InvalidInputError("bad-config", describeIssues(parsed.error, schema, where));
}

/** Whether training decides a metric: a task's own, or a composite of them. */
export const isTrained = (metric: string, score: Pick<NonNullable<SweepConfig["score"]>, "tasks">): boolean =>
  metric.startsWith("composite.") || Object.hasOwn(score.tasks, metric.slice(0, metric.indexOf(".")));

/** Rungs need a trainer that can pause, and something that training decides. */
function checkRungs(
  { objectives, budgets }: SweepConfig,
  score: NonNullable<SweepConfig["score"]>,
  source: string,
): void {
  const bad = (why: string): InvalidInputError =>
    new InvalidInputError("bad-config", `${source}: score.rungs: ${why}`);
  if (score.trainer.backend !== "native")
    throw bad("the PyTorch trainer cannot pause a run; use `trainer: native`, or leave rungs out");
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
