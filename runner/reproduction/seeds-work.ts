// Trains layouts of a finished sweep with further seeds, in blocks: a block trains every layout with one
// seed, so that differences between layouts are within seeds. Results are jobs of the trials; an interrupted
// block continues where it stopped.

import { software } from "../base/version.ts";
import type { ScoreConfig } from "../config/config-score.ts";
import { AgentError } from "../devices/device-errors.ts";
import { LeaseLostError } from "../farm/device-lease.ts";
import type { Worker } from "../farm/worker.ts";
import { keyOf, trainingOf } from "../store/job-target.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trial-row.ts";
import { trainOn } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";

export interface SeedBlocks {
  readonly store: Store;
  readonly score: ScoreConfig;
  readonly trials: readonly Trial[];
  readonly tasks: readonly PreparedTask[];
  /** One block for each seed. */
  readonly seeds: readonly number[];
  readonly say: (text: string) => void;
}

/**
 * Trains the blocks. `fits`: whether a block of this many minutes may still begin. Returns the number of
 * complete blocks.
 */
export async function trainBlocks(
  worker: Worker,
  { store, score, trials, tasks, seeds, say }: SeedBlocks,
  fits: (minutes: number) => boolean,
): Promise<number> {
  const isDone = (seed: number): boolean =>
    trials.every(({ id }) => tasks.every(({ name }) => store.jobs.isDone(id, trainingOf(name, seed))));
  let longest = 0;
  let done = 0;
  for (const seed of seeds) {
    if (!isDone(seed)) {
      worker.signal.throwIfAborted();
      if (!fits(longest)) break;
      const begun = performance.now();
      for (const trial of trials)
        for (const task of tasks) await trainOnce(worker, { store, score }, trial, task, seed);
      const minutes = (performance.now() - begun) / 60_000;
      longest = Math.max(longest, minutes);
      say(`seed ${seed}: trained ${trials.length} layouts in ${(60 * minutes).toFixed(0)} s`);
    }
    done++;
  }
  return done;
}

async function trainOnce(
  worker: Worker,
  { store, score }: Pick<SeedBlocks, "store" | "score">,
  trial: Trial,
  task: PreparedTask,
  seed: number,
): Promise<void> {
  const target = trainingOf(task.name, seed);
  if (store.jobs.isDone(trial.id, target)) return;
  const job = store.jobs.start(trial.id, target, worker.device.name);
  let begun = false;
  try {
    const { request, result, lease } = await trainOn(worker, trial.layout, task, seed, score, () => {
      if (!begun) store.jobs.begin(job);
      begun = true;
    });
    const record = {
      ...{ task: task.name, seed, agentSha256: worker.agentSha256, result },
      request: { ...(request as object), software: software() },
    };
    if (!store.jobs.finishScore(job, lease, record))
      throw new LeaseLostError(`a stale score of ${keyOf(target)} was refused`);
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "diverged") throw error;
    // Divergence is a property of the layout: this seed then has no run of the layout, and differences with
    // it leave the seed out.
    store.jobs.fail(job, "failed", error.code, error.message);
  }
}
