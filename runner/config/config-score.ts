// The training part of a sweep's configuration: tasks, schedules, trainer, early stopping and composite
// scores.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { taskOfScore } from "../../profilers/metrics/name.ts";
import { proxySchema } from "../../profilers/proxy.ts";
import { PRECISIONS, type Precision } from "../../profilers/requests.ts";
import { COMPOSITE, compositeSchema } from "../../profilers/tasks/composite.ts";
import { taskNames } from "../../profilers/tasks/task-registry.ts";
import { describeIssues } from "./config-errors.ts";

/** The options that a trainer supports. */
export interface TrainerAbilities {
  /** Whether a run can pause at a step and continue later, as rungs need. */
  readonly pause: boolean;
  /** Whether it learns from a teacher. */
  readonly distil: boolean;
  readonly precisions: readonly Precision[];
  /** Names of the frameworks whose arithmetic produces its scores. */
  readonly frameworks: readonly string[];
}
/** The trainers that a configuration can name. Their training is in runner/training/trainers/. */
export const TRAINERS = {
  native: { pause: true, distil: true, precisions: PRECISIONS, frameworks: ["edgefront"] },
  pytorch: { pause: false, distil: false, precisions: PRECISIONS, frameworks: ["pytorch"] },
} as const satisfies Record<string, TrainerAbilities>;
export type TrainerId = keyof typeof TRAINERS;
const trainerIds = Object.keys(TRAINERS) as [TrainerId, ...TrainerId[]];

const stopSchema = z.strictObject({
  every: z.int().min(1).default(100).describe("Steps between checks of the validation loss."),
  accuracy: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Ends the run as converged at this validation accuracy."),
  patience: z
    .int()
    .min(1)
    .optional()
    .describe("Ends the run on a plateau: checks in a row without a better loss."),
  improvement: z
    .number()
    .min(0)
    .max(1)
    .default(0.001)
    .describe("Relative improvement of the loss that counts as better."),
  hopelessStep: z
    .int()
    .min(1)
    .optional()
    .describe("Step from which a run may be ended as hopeless; see hopelessLoss."),
  hopelessLoss: z
    .number()
    .positive()
    .optional()
    .describe("A validation loss above this at hopelessStep ends the run as hopeless."),
});

const distillSchema = z.strictObject({
  objective: z.enum(["top-k", "decoupled-top-k"]).default("decoupled-top-k"),
  teacher: z
    .string()
    .describe("A layout (name or notation) that is trained first, a .gguf file, or an .efl file of logits."),
  teacherSteps: z
    .int()
    .min(1)
    .max(10_000_000)
    .optional()
    .describe("Training steps of the teacher. Default: the student's."),
  k: z.int().min(1).max(256).default(32),
  temperature: z.number().positive().max(1000).default(2),
  mix: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("Share of distillation in the loss; the rest is cross-entropy."),
});
type DistillConfig = z.infer<typeof distillSchema>;

const trainingSchema = z.strictObject({
  steps: z.int().min(1).max(10_000_000).default(300),
  batch: z.int().min(1).max(65_536).default(32),
  // No default value, because configurations stored before this option must stay unchanged.
  precision: z
    .enum(PRECISIONS)
    .optional()
    .describe(
      "Precision of the operands of linear layers; the rest is float32. Default: float32. Compare scores of one precision only.",
    ),
  learningRate: z
    .union([z.number().positive().max(10), z.array(z.number().positive().max(10)).min(2).max(8)])
    .default(3e-3)
    .describe("A rate, or a list that is tried for each layout in short runs; the best is used."),
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
      "muP: the proxy width at which the learning rate was tuned; matrices of wider proxies learn slower.",
    ),
  minLearningRate: z.number().min(0).optional().describe("Default: a tenth of the learning rate."),
  warmupSteps: z.int().min(0).optional().describe("Default: a tenth of the steps."),
  weightDecay: z.number().min(0).max(10).default(0.1),
  clip: z.number().positive().default(1),
  beta2: z.number().min(0).max(1).default(0.95),
  evalBatches: z.int().min(1).default(8),
  stop: stopSchema.optional().describe("Rules that end a run early; the result stores the reason."),
  distill: distillSchema.optional().describe("Also learn from a teacher's probabilities."),
  checkpointEvery: z
    .int()
    .min(1)
    .default(500)
    .describe("Steps between checkpoints; a killed run continues from the last one."),
});

const taskSchema = z.strictObject({
  task: z.enum(taskNames),
  preset: z.string().optional().describe("A named setting of the task; `options` override it."),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Options of the task (profilers/tasks/README.md)."),
  training: trainingSchema.prefault({}),
  proxy: proxySchema.partial().optional().describe("Overrides of the proxy for this task."),
});

const trainerSchema = z.strictObject({
  backend: z.enum(trainerIds).default("native"),
  python: z
    .string()
    .regex(/^[\w./+-]{1,200}$/, "name a Python without blanks")
    .default("python3")
    .describe("pytorch: the device's Python with torch and numpy."),
  device: z.string().default("local").describe("pytorch: the registered device that trains."),
});

const rungsSchema = z.strictObject({
  at: z
    .array(z.number().gt(0).lt(1))
    .min(1)
    .max(8)
    .refine((at) => at.every((share, n) => n === 0 || share > at[n - 1]!), {
      message: "must rise from one rung to the next",
    })
    .describe("Shares of each task's steps at which a trial is checked, e.g. [0.25, 0.5]."),
  eta: z
    .number()
    .gt(1)
    .max(100)
    .default(3)
    .describe("The best 1/eta of the trials at a check always continue."),
  margin: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe(
      "Another trial stops if one dominates it by more than this share of the range of each training metric at the check.",
    ),
  minimum: z
    .int()
    .min(2)
    .default(4)
    .describe("No trial stops before so many trials have reached the check, itself included."),
});

export const scoreSchema = z.strictObject({
  trainer: z
    .union([trainerSchema.shape.backend.unwrap(), trainerSchema])
    .transform((given) => (typeof given === "string" ? trainerSchema.parse({ backend: given }) : given))
    .prefault("native")
    .describe("The trainer: native (the bundled kernels on this machine) or pytorch."),
  proxy: proxySchema,
  seeds: z
    .array(z.int().min(0))
    .min(1)
    .default([1])
    .describe("Training seeds; each layout is trained once with each."),
  threads: z.int().min(0).default(0),
  timeoutSeconds: z.number().positive().default(3600),
  rungs: rungsSchema
    .optional()
    .describe(
      "Early stopping: stops a trial when an earlier trial trains clearly better and measures no worse. Default: off.",
    ),
  composite: z
    .record(z.string().regex(/^[a-z][a-zA-Z0-9_-]{0,31}$/), compositeSchema)
    .optional()
    .describe("Combined scores, as metrics composite.<name>; their components stay metrics."),
  tasks: z.record(z.string().regex(/^[a-z][a-zA-Z0-9_-]{0,31}$/), taskSchema),
});
export type ScoreConfig = z.infer<typeof scoreSchema>;
export type TrainerConfig = z.infer<typeof trainerSchema>;
export type TaskConfig = z.infer<typeof taskSchema>;

/** Returns whether training decides a metric: a score of a task, or a composite. */
export function isTrained(metric: string, score: Pick<ScoreConfig, "tasks">): boolean {
  const task = taskOfScore(metric);
  return task !== null && (task === COMPOSITE || Object.hasOwn(score.tasks, task));
}

/**
 * Returns a task that distils, with `given` over its own settings.
 * @throws InvalidInputError (`no-teacher`) when neither names a teacher, or a setting is invalid.
 */
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
