// Ownership of a sweep: one coordinator at a time, over processes, containers and machines. The owner shows
// that it lives by increasing a counter. Another process that cannot see the owner watches this counter on
// its own monotonic clock, like device leases.
import { setTimeout as sleep } from "node:timers/promises";
import { RunError } from "../base/run-errors.ts";
import { LEASE_TIMING, type LeaseTiming } from "../farm/device-lease.ts";
import type { Listener } from "../farm/events.ts";
import { isBusy } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import type { Ownership, Sweep } from "../store/sweep-table.ts";

/**
 * Thrown when another coordinator took the sweep over while this one stood still. This process must write
 * nothing more to the sweep.
 */
export class SweepTakenError extends RunError {
  constructor(name: string) {
    super(
      "sweep-taken",
      `sweep "${name}" was taken over by another process while this one was stopped; follow it with: edgefront ui ${name}`,
    );
  }
}

const sameOwnership = (a: Ownership, b: Ownership): boolean =>
  a.owner === b.owner && a.token === b.token && a.beats === b.beats;

/**
 * Waits until no process can be running the sweep, at most as long as a living owner may be silent. Returns
 * the observed ownership, which the claim needs.
 * @throws InvalidInputError (`sweep-running`) once another process shows that it runs the sweep.
 */
export async function awaitIdle(
  store: Store,
  sweep: Sweep,
  signal: AbortSignal,
  listen: Listener,
  timing: Partial<LeaseTiming> = {},
): Promise<Ownership> {
  const { ttlMs, pollMs } = { ...LEASE_TIMING, ...timing };
  const seen = store.sweeps.ownership(sweep.id);
  if (store.sweeps.standing(sweep, ttlMs) === "free") return seen;
  listen({
    kind: "waiting",
    text:
      `sweep "${sweep.name}" belongs to a process that cannot be checked from here (another container or machine, before a restart, or ` +
      `stopped): waiting up to ${Math.ceil(ttlMs / 1000)} s to see whether it still runs`,
  });
  for (const start = performance.now(); performance.now() - start < ttlMs; ) {
    await sleep(pollMs, undefined, { signal });
    const now = store.sweeps.ownership(sweep.id);
    if (now.owner === null) return now;
    if (!sameOwnership(now, seen)) throw store.sweeps.runningError(sweep);
  }
  store.leases.freeOf(seen.owner!);
  return seen;
}

/**
 * Increases this coordinator's counter for a sweep until the returned function is called. Calls `onTaken`
 * when the sweep was taken over.
 */
export function keepOwning(
  store: Store,
  sweep: Sweep,
  onTaken: (error: SweepTakenError) => void,
  timing: Partial<LeaseTiming> = {},
): () => void {
  const { renewMs } = { ...LEASE_TIMING, ...timing };
  const timer = setInterval(() => {
    try {
      if (store.sweeps.beat(sweep.id)) return;
      clearInterval(timer);
      onTaken(new SweepTakenError(sweep.name));
    } catch (error) {
      // A beat is skipped while another process keeps the database busy: observers wait for several beats.
      if (!isBusy(error)) throw error;
    }
  }, renewMs).unref();
  return () => clearInterval(timer);
}

/**
 * Checks that this coordinator still owns the sweep. Inside a write transaction the ownership then cannot
 * change.
 * @throws SweepTakenError when the sweep was taken over.
 */
export function requireOwn(store: Store, sweep: Sweep): void {
  if (!store.sweeps.isOwn(sweep.id)) throw new SweepTakenError(sweep.name);
}
