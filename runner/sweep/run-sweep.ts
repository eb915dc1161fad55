// The closed loop: propose a batch, evaluate its trials, tell the strategy, and propose again until nothing
// is left or the front has settled. Every result is in the database before the next step, so a run killed at
// any moment continues with --resume.
import { basename } from "node:path";
import { DatabaseBusyError, InterruptedError } from "../base/run-errors.ts";
import { isBusy } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { IMPORTED_BATCH } from "../store/trial-row.ts";
import { evaluateBatch } from "./evaluate-batch.ts";
import { outcomeOf } from "./outcomes.ts";
import { repeatedIn } from "./planning.ts";
import { proposeBatch } from "./propose-batch.ts";
import { keepOwning, requireOwn, type SweepTakenError } from "./sweep-ownership.ts";
import { SweepProgress } from "./sweep-progress.ts";
import { sweepSettled } from "./sweep-settled.ts";
import { type RunningSweep, type RunOptions, setUpSweep } from "./sweep-setup.ts";

/** A last write may fail when the disk is full. The error that stopped the sweep is the one to show. */
function tryTo(write: () => void): void {
  try {
    write();
  } catch {
    // The sweep of a dead owner can be resumed without this write.
  }
}

/** Tells the strategy the outcomes of a batch, and of trials that were repeated with it. */
function tellBatch(batch: number, { strategy, context }: RunningSweep): void {
  const { store, sweepId } = context.sweep;
  const changed = [...store.trials.batch(sweepId, batch), ...repeatedIn(store, sweepId, batch)];
  strategy.tell(changed.map((trial) => outcomeOf(store, trial)));
}

/** Whether the configuration lets the sweep stop and the front has settled. */
function isSettled({ context }: RunningSweep, progress: SweepProgress, before: boolean): boolean {
  const { store, sweepId, config, objectives } = context.sweep;
  const { settled: rule } = config.search;
  if (rule === undefined) return false;
  const { settled, reason } = sweepSettled(store, sweepId, objectives, progress.hypervolumes, rule);
  if (settled && !before) store.log("settled", { reason }, { sweepId });
  return settled;
}

async function loop(running: RunningSweep, progress: SweepProgress): Promise<void> {
  const { sweep, strategy, context, staff } = running;
  const { store, sweepId } = context.sweep;
  const last = store.trials.lastAsk(sweepId);
  progress.started(sweep.name);
  const taken = store.trials.batch(sweepId, IMPORTED_BATCH);
  if (last !== null) strategy.restore(last.strategyState);
  else strategy.tell(taken.map((trial) => outcomeOf(store, trial)));
  let enough = false;
  for (let batch = last?.batch ?? -1; ; batch++) {
    if (batch >= 0) {
      await evaluateBatch(batch, context, progress, () => staff.stop());
      tellBatch(batch, running);
      enough = isSettled(running, progress, enough);
    }
    if (!proposeBatch(batch + 1, { enough, imported: taken.length }, running, progress)) break;
  }
  store.transaction(() => {
    requireOwn(store, sweep);
    store.sweeps.complete(sweepId);
  });
}

/** Records why a sweep stopped before its end. Returns the error to show. */
function stopped({ sweep, context }: RunningSweep, error: unknown, signal: AbortSignal): unknown {
  const { store, sweepId } = context.sweep;
  if (isBusy(error)) store.hurry();
  tryTo(() => store.log("stopped", { code: (error as { code?: string }).code ?? "error" }, { sweepId }));
  if (!signal.aborted) return isBusy(error) ? new DatabaseBusyError({ cause: error }) : error;
  return new InterruptedError(
    `interrupted; everything finished of sweep "${sweep.name}" is kept; continue it with --resume`,
  );
}

/**
 * Starts or resumes a sweep and runs it to its end.
 * @throws InvalidInputError for input that cannot be run (nothing is written then), RunError when a device or
 * the machine stops the sweep, InterruptedError when the signal aborts.
 */
export async function runSweep(store: Store, options: RunOptions): Promise<Sweep> {
  const running = await setUpSweep(store, options);
  const { sweep, staff, context, imported } = running;
  let lost: SweepTakenError | null = null;
  const onTaken = (error: SweepTakenError): void => {
    lost = error;
    staff.stop();
  };
  const stopOwning = keepOwning(store, sweep, onTaken, options.farm?.leases);
  try {
    if (imported.length > 0) store.trials.import(sweep.id, imported, basename(options.warmStart!));
    await loop(running, new SweepProgress(context));
  } catch (error) {
    throw lost ?? stopped(running, error, options.signal);
  } finally {
    stopOwning();
    await staff.close().catch(() => {});
    tryTo(() => store.sweeps.release(sweep.id));
  }
  return store.sweeps.get(sweep.name);
}
