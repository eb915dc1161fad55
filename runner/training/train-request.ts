// Builds the request of a training run from a task's configuration, and its stored form, which also names the
// checkpoint. The stored form leaves out the plan (the layout and the seed determine it) and paths of this
// machine.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { TrainRequest } from "../../profilers/requests.ts";
import type { ScoreConfig } from "../config/config-score.ts";
import type { PreparedTask } from "./training-data.ts";

/** A request without its model. */
export type Body = Omit<TrainRequest, "model">;

/** A training run to request. */
export interface Asked {
  readonly body: Body;
  /** Digest of the teacher: its file name in the body does not identify its content. */
  readonly teacherSha256?: string;
}

/** Returns 32 hex digits of the SHA-256 of a value's JSON. */
export const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

/** Returns the request without paths of this machine. */
export function storedForm({ body, teacherSha256 }: Asked): Record<string, unknown> {
  const { data, checkpoint: _checkpoint, out: _out, teacher, ...rest } = body;
  const files = { ...data, train: basename(data.train), validation: basename(data.validation) };
  if (teacher === undefined) return { ...rest, data: files };
  const name = basename("path" in teacher ? teacher.path : teacher.logits);
  return { ...rest, data: files, teacher: name, teacherSha256 };
}

/** Returns the request of a task's run of `steps` steps at a learning rate, without a teacher. */
export function bodyOf(
  task: PreparedTask,
  seed: number,
  config: Pick<ScoreConfig, "threads">,
  steps: number,
  rate: number,
): Body {
  const { training } = task.config;
  return {
    seed,
    steps,
    batch: training.batch,
    evalBatches: training.evalBatches,
    optimizer: {
      learningRate: rate,
      minLearningRate: training.minLearningRate ?? rate / 10,
      warmupSteps: training.warmupSteps ?? Math.ceil(steps / 10),
      weightDecay: training.weightDecay,
      clip: training.clip,
      beta2: training.beta2,
    },
    ...(training.precision === "bfloat16" ? { precision: training.precision } : {}),
    ...(task.head === "pooled" ? { head: "pooled" as const } : {}),
    ...(training.baseWidth === undefined ? {} : { baseWidth: training.baseWidth }),
    ...(training.stop === undefined ? {} : { stop: training.stop }),
    threads: config.threads,
    data: { kind: task.kind, train: task.trainPath, validation: task.validationPath, length: task.length },
  };
}
