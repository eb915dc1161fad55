// What a sweep's configuration says of training: tasks, schedules, the trainer, rungs and what scores are made of.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { taskOfScore } from "../../profilers/metrics/name.ts";
import { proxySchema } from "../../profilers/proxy.ts";
import { PRECISIONS, type Precision } from "../../profilers/requests.ts";
import { COMPOSITE, compositeSchema } from "../../profilers/tasks/composite.ts";
import { taskNames } from "../../profilers/tasks/task-registry.ts";
import { describeIssues } from "./config-errors.ts";

/** What a configuration may ask of a trainer. */
export interface TrainerAbilities {
  /** Whether a run can pause at a step and continue later, as rungs need. */
  readonly pause: boolean;
  /** Whether it learns from a teacher. */
  readonly distil: boolean;
  readonly precisions: readonly Precision[];
  /** Whose arithmetic its scores have. */
  readonly frameworks: readonly string[];
}
/** The trainers that a configuration can name; how each trains is runner/training/trainers/. */
export const TRAINERS = {
  native: { pause: true, distil: true, precisions: PRECISIONS, frameworks: ["edgefront"] },
  pytorch: { pause: false, distil: false, precisions: PRECISIONS, frameworks: ["pytorch"] },
} as const satisfies Record<string, TrainerAbilities>;
export type TrainerId = keyof typeof TRAINERS;
const trainerIds = Object.keys(TRAINERS) as [TrainerId, ...TrainerId[]];

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
  // Not a default: configurations stored before there was a choice must stay what they were.
  precision: z
    .enum(PRECISIONS)
    .optional()
    .describe(
      "Of the operands of linear layers; all else is float32. Default: float32. bfloat16 scores are comparable with each other only.",
    ),
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
  backend: z.enum(trainerIds).default("native"),
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

export const scoreSchema = z.strictObject({
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
export type ScoreConfig = z.infer<typeof scoreSchema>;
export type TrainerConfig = z.infer<typeof trainerSchema>;
export type TaskConfig = z.infer<typeof taskSchema>;

/** Whether training decides a metric: a task's own, or a composite of them. */
export function isTrained(metric: string, score: Pick<ScoreConfig, "tasks">): boolean {
  const task = taskOfScore(metric);
  return task !== null && (task === COMPOSITE || Object.hasOwn(score.tasks, task));
}

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
