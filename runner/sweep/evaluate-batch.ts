// Evaluates the unfinished work of a batch, several trials at a time, in the planned order.
import type { Repetition } from "../store/repetition-table.ts";
import type { Trial } from "../store/trial-row.ts";
import { evaluate } from "./evaluate.ts";
import { workOf } from "./planning.ts";
import { repeat } from "./repeat.ts";
import type { SweepContext } from "./sweep-context.ts";
import type { SweepProgress } from "./sweep-progress.ts";

/**
 * Trials in flight: enough to keep every device and the trainer busy, few enough to keep results in order.
 */
const inFlight = (devices: number): number => Math.min(2 * devices + 2, 12);

/**
 * Runs `work` on every item in order, `limit` at a time. The first rejection stops the others through `stop`.
 */
async function inOrder<T>(
  items: readonly T[],
  limit: number,
  stop: () => void,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  const lanes = Array.from({ length: limit }, () =>
    lane().catch((error: unknown) => {
      stop();
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(lanes)).filter((lane) => lane.status === "rejected");
  // The first lane that failed aborted the others, so an error other than the abort is the cause.
  const cause = failed.find(({ reason }) => (reason as Error).name !== "AbortError") ?? failed[0];
  if (cause !== undefined) throw cause.reason;
}

const isRepetition = (work: Trial | Repetition): work is Repetition => "sources" in work;

/**
 * Evaluates the trials and repetitions of a batch. Rejects only when the sweep itself must stop; `stop` then
 * ends the running work.
 */
export async function evaluateBatch(
  batch: number,
  context: SweepContext,
  progress: SweepProgress,
  stop: () => void,
): Promise<void> {
  const { store, sweepId } = context.sweep;
  let open = workOf(store, sweepId, batch);
  // A trial whose device stayed throttled is measured again after the others, and then in any condition of
  // the device.
  for (let asItIs = false; open.length > 0; asItIs = true) {
    const deferred: Trial[] = [];
    await inOrder(open, inFlight(context.place.devices.length), stop, async (work) => {
      if (isRepetition(work)) {
        progress.repeated(await repeat(work, context));
        return;
      }
      const end = await evaluate(work, context, asItIs);
      if (end === null) deferred.push(work);
      else progress.ended(work, end);
    });
    open = deferred;
  }
}
