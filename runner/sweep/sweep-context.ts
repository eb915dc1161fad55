// The shared state of a sweep's loop, split by use: the facts of the sweep, the place where its jobs run, and
// the current run. Decisions between measurements take the facts alone.
import type { Budget } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Listener } from "../farm/events.ts";
import type { Fleet } from "../farm/fleet.ts";
import { SweepWindows } from "../farm/measurement/sweep-windows.ts";
import type { RunningIdentity } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import type { PreparedTask } from "../training/training-data.ts";
import { resolveBudgets, resolveObjectives } from "./metric-names.ts";
import { RungOrder } from "./rung-order.ts";
import type { Staff } from "./staff.ts";

/** A sweep in the database, with its configuration, objectives and budgets. */
export interface SweepFacts {
  readonly store: Store;
  readonly sweepId: number;
  readonly config: SweepConfig;
  readonly objectives: readonly Objective[];
  readonly budgets: readonly Budget[];
}

/** The place where a sweep's jobs run, and the identity of everything that results rest on. */
export interface JobPlace {
  readonly fleet: Fleet;
  /** Names of the devices that every trial is measured on. */
  readonly devices: readonly string[];
  readonly windows: SweepWindows;
  /** Name of the device that trains; empty when nothing is trained. */
  readonly trainer: string;
  readonly tasks: readonly PreparedTask[];
  readonly identity: RunningIdentity;
}

/** The current run: its stop signal, its listener, and the order of its verdicts at rungs. */
export interface SweepRun {
  readonly signal: AbortSignal;
  readonly listen: Listener;
  readonly rungOrder: RungOrder;
}

export interface SweepContext {
  readonly sweep: SweepFacts;
  readonly place: JobPlace;
  readonly run: SweepRun;
}

/**
 * Returns the facts of a stored sweep.
 * @throws InvalidInputError when an objective or a budget cannot be resolved.
 */
export const sweepFacts = (store: Store, sweepId: number, config: SweepConfig): SweepFacts => ({
  store,
  sweepId,
  config,
  objectives: resolveObjectives(config),
  budgets: resolveBudgets(config),
});

/** Returns the context of a sweep whose staff is ready. */
export function contextOf(
  sweep: SweepFacts,
  { fleet, records, trainer, tasks, signal }: Staff,
  identity: RunningIdentity,
  listen: Listener,
): SweepContext {
  const { store, sweepId, config } = sweep;
  const devices = records.map(({ name }) => name);
  const windows = new SweepWindows(config.measure, { store, sweepId, listen });
  return {
    sweep,
    place: { fleet, devices, windows, trainer, tasks, identity },
    run: { signal, listen, rungOrder: new RungOrder() },
  };
}
