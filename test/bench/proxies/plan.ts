// A planned run on a prepared task: the request of every part of bench:proxies to the trainer.
import type { PreparedTask } from "../../../runner/training/training-data.ts";
import type { Planned } from "./book.ts";

export interface Schedule {
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
  /** Default: a hundredth of the rate. */
  readonly minRate?: number;
  /** Default: a twentieth of the steps. */
  readonly warmupSteps?: number;
}

/** Largest number of reports per run. */
const REPORTS = 60;

/**
 * Returns a planned run. `part`, `more` and the whole schedule form the key. `more` holds other parts of the
 * request that distinguish the run. About 1,280 rows are validated.
 */
export function plan(
  part: string,
  notation: string,
  task: PreparedTask,
  { steps, batch, rate, minRate = rate / 100, warmupSteps = Math.ceil(steps / 20) }: Schedule,
  seed: number,
  more: Partial<Planned["body"]> = {},
  what = "",
): Planned {
  const { name, kind, length, head, trainPath: train, validationPath: validation } = task;
  return {
    key: [
      ...[part, name, notation, `length ${length} batch ${batch} rate ${rate} steps ${steps} seed ${seed}`],
      ...(what === "" ? [] : [what]),
    ].join(" "),
    notation,
    body: {
      seed,
      steps,
      batch,
      evalBatches: Math.ceil(1280 / batch),
      reportEvery: Math.max(1, Math.round(steps / REPORTS)),
      ...(head === "pooled" ? { head } : {}),
      optimizer: { learningRate: rate, minLearningRate: minRate, warmupSteps, weightDecay: 0.1, beta2: 0.98 },
      data: { kind, train, validation, length },
      ...more,
    },
  };
}
