// The devices, windows, trainer and data of a sweep for work outside its loop: its trials measured and trained once more, through the same
// gates and leases, by whoever holds the sweep meanwhile.
import type { Identity, Part } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Listener } from "../farm/events.ts";
import { RunningIdentity, settleIdentity } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { type FarmOptions, Staff } from "./staff.ts";
import { contextOf, type SweepContext, sweepFacts } from "./sweep-context.ts";
import { awaitIdle, keepOwning } from "./sweep-ownership.ts";

export interface WorkplaceOptions {
  /** The configuration of the sweep, with the paths that its tasks read. */
  readonly config: SweepConfig;
  /** The folder that corpus patterns are relative to. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly farm?: FarmOptions | undefined;
  /** What was typed: how to go on after a stop. */
  readonly command: string;
}

/**
 * Opens every device of a sweep, takes the sweep over, runs `work`, and leaves all of it whatever happens.
 * @throws InvalidInputError (`sweep-running`) while another process runs the sweep, (`mixed-identity`) where its corpus, agent, device or
 * another content is not what the sweep began with.
 */
export async function withWorkplace<T>(
  store: Store,
  sweep: Sweep,
  { config, folder, command, signal, listen, farm = {} }: WorkplaceOptions,
  work: (context: SweepContext) => Promise<T>,
): Promise<T> {
  const seen = await awaitIdle(store, sweep, signal, listen, farm.leases);
  const settled = (parts: readonly Part[]): Identity =>
    settleIdentity({ name: sweep.name, sweep, brought: null, allowMixed: false, command: null }, parts);
  const staff = await Staff.gather(store, config, { folder, signal, listen, farm });
  try {
    // Another corpus is told before any device is asked.
    settled(staff.taskParts);
    const identity = settled(await staff.open());
    store.sweeps.claim(sweep, seen);
    const stopOwning = keepOwning(store, sweep, () => staff.stop(), farm.leases);
    try {
      store.sweeps.putIdentity(sweep.id, identity);
      const running = new RunningIdentity(store, sweep, identity, { allowMixed: false, command });
      return await work(contextOf(sweepFacts(store, sweep.id, config), staff, running, listen));
    } finally {
      stopOwning();
      store.sweeps.release(sweep.id);
    }
  } finally {
    staff.stop();
    await staff.close();
  }
}
