// What the parts of a sweep's loop share, by what they need of it: the plain facts of the sweep, the place its jobs run at, and the run that goes
// on now. What is decided between measurements takes the facts alone.
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

/** A sweep in the database, and what it asks for. */
export interface SweepFacts {
  readonly store: Store;
  readonly sweepId: number;
  readonly config: SweepConfig;
  readonly objectives: readonly Objective[];
  readonly budgets: readonly Budget[];
}

/** Where the jobs of a sweep run, and what their results rest on. */
export interface JobPlace {
  readonly fleet: Fleet;
  /** The devices that every trial is measured on, by name. */
  readonly devices: readonly string[];
  readonly windows: SweepWindows;
  /** Name of the device that trains; empty where nothing is trained. */
  readonly trainer: string;
  readonly tasks: readonly PreparedTask[];
  readonly identity: RunningIdentity;
}

/** The run that goes on now: what stops it, who hears of it, and the order in which it judges at rungs. */
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

export const sweepFacts = (store: Store, sweepId: number, config: SweepConfig): SweepFacts => ({
  store,
  sweepId,
  config,
  objectives: resolveObjectives(config),
  budgets: resolveBudgets(config),
});

/** The context of a staffed sweep. */
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
