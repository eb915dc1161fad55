// Trains layouts of a finished sweep with further seeds, a block at a time: every layout with one seed, so that differences between layouts are taken
// of the same seeds. Results are jobs of the trials; a block that was begun goes on where it was stopped.

import { software } from "../base/version.ts";
import { AgentError } from "../devices/device-errors.ts";
import { LeaseLostError } from "../farm/device-lease.ts";
import type { Worker } from "../farm/worker.ts";
import { keyOf, trainingOf } from "../store/job-target.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { Trial } from "../store/trial-row.ts";
import { trainOn } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";

export interface SeedBlocks {
  readonly store: Store;
  readonly sweep: Sweep;
  readonly trials: readonly Trial[];
  readonly tasks: readonly PreparedTask[];
  /** Seeds of a block each. */
  readonly seeds: readonly number[];
  readonly say: (text: string) => void;
}

/** `fits`: whether a block of so many minutes may still begin. Returns the blocks that are complete. */
export async function trainBlocks(
  worker: Worker,
  { store, sweep, trials, tasks, seeds, say }: SeedBlocks,
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
        for (const task of tasks) await trainOnce(worker, { store, sweep }, trial, task, seed);
      const minutes = (performance.now() - begun) / 60_000;
      longest = Math.max(longest, minutes);
      say(`seed ${seed}: ${trials.length} layouts trained in ${(60 * minutes).toFixed(0)} s`);
    }
    done++;
  }
  return done;
}

async function trainOnce(
  worker: Worker,
  { store, sweep }: Pick<SeedBlocks, "store" | "sweep">,
  trial: Trial,
  task: PreparedTask,
  seed: number,
): Promise<void> {
  const target = trainingOf(task.name, seed);
  if (store.jobs.isDone(trial.id, target)) return;
  const job = store.jobs.start(trial.id, target, worker.device.name);
  let begun = false;
  try {
    const { request, result, lease } = await trainOn(
      worker,
      trial.layout,
      task,
      seed,
      sweep.config.score!,
      () => {
        if (!begun) store.jobs.begin(job);
        begun = true;
      },
    );
    const record = {
      ...{ task: task.name, seed, agentSha256: worker.agentSha256, result },
      request: { ...(request as object), software: software() },
    };
    if (!store.jobs.finishScore(job, lease, record))
      throw new LeaseLostError(`a stale score of ${keyOf(target)} was refused`);
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "diverged") throw error;
    // The layout's own doing: this seed then has no run of it, and is left out of differences with it.
    store.jobs.fail(job, "failed", error.code, error.message);
  }
}
