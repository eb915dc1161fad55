// The devices, windows, trainer and data of a sweep for work outside its loop, such as a confirmation. Trials
// are measured and trained again through the same gates and leases, by the process that owns the sweep
// meanwhile.
import type { Identity, Part } from "../../profilers/identity.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Listener } from "../farm/events.ts";
import { RunningIdentity, settleIdentity } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { type FarmOptions, Staff } from "./staff.ts";
import { contextOf, type SweepContext, sweepFacts } from "./sweep-context.ts";
import { awaitIdle, keepOwning, type SweepTakenError } from "./sweep-ownership.ts";

export interface WorkplaceOptions {
  /** The configuration of the sweep, with the paths that its tasks read. */
  readonly config: SweepConfig;
  /** The folder that corpus patterns are relative to. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly farm?: FarmOptions | undefined;
  /** The command line that was typed, for messages that say how to continue. */
  readonly command: string;
}

/**
 * Opens every device of a sweep, takes ownership of the sweep, runs `work`, and always releases everything.
 * @throws InvalidInputError (`sweep-running`) while another process runs the sweep, (`mixed-identity`) when
 * its corpus, agent, device or other content differs from the start of the sweep; SweepTakenError when another
 * process took the sweep over meanwhile.
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
    // A different corpus is refused before any device is contacted.
    settled(staff.taskParts);
    const identity = settled(await staff.open());
    store.sweeps.claim(sweep, seen);
    let lost: SweepTakenError | null = null;
    const onTaken = (error: SweepTakenError): void => {
      lost = error;
      staff.stop();
    };
    const stopOwning = keepOwning(store, sweep, onTaken, farm.leases);
    try {
      store.sweeps.putIdentity(sweep.id, identity);
      const running = new RunningIdentity(store, sweep, identity, { allowMixed: false, command });
      return await work(contextOf(sweepFacts(store, sweep.id, config), staff, running, listen));
    } catch (error) {
      throw lost ?? error;
    } finally {
      stopOwning();
      store.sweeps.release(sweep.id);
    }
  } finally {
    staff.stop();
    await staff.close();
  }
}
