// Asks the strategy for a batch, screens and plans it, and stores it with the strategy's state before any of
// it runs.
import { leftToAsk, screenBatch } from "./batch-screening.ts";
import { planBatch } from "./planning.ts";
import { requireOwn } from "./sweep-ownership.ts";
import type { SweepProgress } from "./sweep-progress.ts";
import type { RunningSweep } from "./sweep-setup.ts";

/**
 * Proposes batch `batch`. With `enough` no new layouts are proposed; `imported` trials do not count against
 * the sweep's trials. Returns false when nothing is left to do.
 */
export function proposeBatch(
  batch: number,
  { enough, imported }: { readonly enough: boolean; readonly imported: number },
  { sweep, strategy, domain, context }: RunningSweep,
  progress: SweepProgress,
): boolean {
  const { store, sweepId } = context.sweep;
  const { devices, trainer } = context.place;
  const left = enough ? 0 : leftToAsk(context.sweep, imported);
  const screened = screenBatch(left > 0 ? strategy.ask(left) : [], domain, context.sweep);
  const planned = planBatch(screened, domain, context.sweep, !devices.includes(trainer));
  const { proposals, event, repetitions } = planned;
  if (proposals.length === 0 && repetitions.length === 0) return false;
  store.transaction(() => {
    requireOwn(store, sweep);
    const notes = event === null ? {} : { screening: event };
    store.trials.propose(sweepId, batch, proposals, strategy.save(), notes);
    store.repetitions.plan(sweepId, batch, repetitions);
  });
  context.run.listen({
    kind: "proposed",
    batch,
    count: proposals.length,
    repetitions: repetitions.length,
  });
  for (const trial of store.trials.batch(sweepId, batch))
    if (trial.state === "screened") progress.finished(trial);
  return true;
}
