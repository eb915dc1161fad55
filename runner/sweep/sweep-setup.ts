// Sets a sweep up: checks that it may be started or resumed, makes its strategy, opens every device, and only
// then takes ownership. A sweep that cannot be run leaves nothing behind.
import { isDeepStrictEqual } from "node:util";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Layout } from "../../candidates/layout.ts";
import { Space } from "../../candidates/space.ts";
import type { Identity, Part } from "../../profilers/identity.ts";
import { designs } from "../../search/designs/design-registry.ts";
import { type Domain, layoutDomain } from "../../search/domain.ts";
import type { Strategy } from "../../search/strategy.ts";
import { createStrategy } from "../../search/strategy-registry.ts";
import { InterruptedError } from "../base/run-errors.ts";
import { type SweepConfig, sweepSchema } from "../config/config.ts";
import { layoutFrom } from "../config/layouts.ts";
import { withoutPaths } from "../config/without-paths.ts";
import type { Listener } from "../farm/events.ts";
import { RunningIdentity, settleIdentity } from "../farm/sweep-identity.ts";
import type { Store } from "../store/store.ts";
import type { Ownership, Sweep } from "../store/sweep-table.ts";
import type { ImportedTrial } from "../store/trial-row.ts";
import { environment } from "./environment.ts";
import { resolveBudgets, resolveObjectives } from "./metric-names.ts";
import { type FarmOptions, Staff } from "./staff.ts";
import { contextOf, type SweepContext, type SweepFacts } from "./sweep-context.ts";
import { awaitIdle } from "./sweep-ownership.ts";
import { importedTrials } from "./warm-start.ts";

export interface RunOptions {
  readonly name: string;
  readonly config: SweepConfig;
  /** The folder that relative paths of the configuration start from. */
  readonly folder: string;
  readonly resume: boolean;
  /** An earlier sweep, or a jsonl export, whose trials a new sweep starts with. */
  readonly warmStart?: string;
  /**
   * Allow values that rest on different contents (corpus, agent, device, ...) in one front; recorded and
   * shown. Default: refused.
   */
  readonly allowMixed?: boolean;
  /** The command line that started the sweep, for messages that say how to continue. */
  readonly command?: string;
  /** Measure devices that are not at rest without waiting, and mark their results. */
  readonly noWait?: boolean;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  /** Replaces parts of how devices are driven, such as shorter pauses or another agent. */
  readonly farm?: FarmOptions;
}

/** A sweep that is ready to run: this process owns it, and its devices are open. */
export interface RunningSweep {
  readonly sweep: Sweep;
  readonly staff: Staff;
  readonly context: SweepContext;
  readonly domain: Domain<Layout>;
  readonly strategy: Strategy;
  /** Trials that a new sweep starts with. */
  readonly imported: readonly ImportedTrial[];
}

interface Resumed {
  readonly sweep: Sweep;
  readonly seen: Ownership;
}

/**
 * Returns the sweep to resume and its observed owner; null for a new sweep. Writes nothing.
 * @throws InvalidInputError when the sweep may not be started or resumed as requested.
 */
async function checkSweep(store: Store, options: RunOptions): Promise<Resumed | null> {
  const { name, config, resume, signal, listen, farm } = options;
  if (!resume) store.sweeps.requireFree(name);
  const sweep = store.sweeps.find(name);
  // Batch systems repeat one command line, which starts a sweep or continues it.
  if (sweep === null) return null;
  // Options that were added to the configuration since then get their defaults.
  const before = sweepSchema.safeParse(sweep.config);
  const stored = withoutPaths(before.success ? before.data : sweep.config);
  if (!isDeepStrictEqual(stored, withoutPaths(config)))
    throw new InvalidInputError(
      "config-changed",
      `the configuration is not the one sweep "${name}" was started with; restore it, or start another with --name`,
    );
  return { sweep, seen: await awaitIdle(store, sweep, signal, listen, farm?.leases) };
}

function openSweep(
  store: Store,
  { name, config }: RunOptions,
  resumed: Resumed | null,
  identity: Identity,
): Sweep {
  if (resumed === null) return store.sweeps.create(name, withoutPaths(config), environment(), identity);
  store.sweeps.claim(resumed.sweep, resumed.seen);
  store.sweeps.putIdentity(resumed.sweep.id, identity);
  return resumed.sweep;
}

/**
 * Does not wait for devices to come to rest. This affects only the current run; the stored configuration
 * stays unchanged.
 */
function withoutWaiting(config: SweepConfig): SweepConfig {
  const { protocol } = config.measure;
  const readiness = { ...protocol.readiness, deadlineSeconds: 0 };
  return { ...config, measure: { ...config.measure, protocol: { ...protocol, readiness } } };
}

/**
 * Layouts that are proposed before all others: those of a study, then those that the configuration declares.
 */
function declaredLayouts(config: SweepConfig, space: Space): readonly Layout[] {
  const designed =
    config.study === undefined ? [] : designs[config.study](space).slice(0, config.studyLayouts);
  return [...designed.map(({ layout }) => layout), ...(config.space.include ?? []).map(layoutFrom)];
}

/**
 * Prepares a sweep that is then ready to run.
 * @throws InvalidInputError for input that cannot be run, RunError when a device does not answer; nothing is
 * written then.
 */
export async function setUpSweep(store: Store, options: RunOptions): Promise<RunningSweep> {
  const { warmStart, listen, allowMixed = false } = options;
  const config = options.noWait === true ? withoutWaiting(options.config) : options.config;
  const resumed = await checkSweep(store, options);
  const objectives = resolveObjectives(config);
  const budgets = resolveBudgets(config);
  const space = new Space(config.space);
  space.requireLayouts();
  const domain = layoutDomain(space);
  const initial = declaredLayouts(config, space);
  const { trials: imported, brought } =
    warmStart === undefined || resumed !== null
      ? { trials: [], brought: null }
      : importedTrials(store, warmStart, config, objectives, budgets);
  const { strategy: kind, options: chosen } = config.search;
  const strategy = createStrategy(kind, { space, objectives, initial, seed: config.seed, options: chosen });
  const staff = await Staff.gather(store, config, options);
  const { name, command = `edgefront sweep <config> --name ${name}` } = options;
  const settled = (parts: readonly Part[]): Identity =>
    settleIdentity({ name, sweep: resumed?.sweep ?? null, brought, allowMixed, command }, parts);
  // Every device must answer before the sweep exists: a wrong key or a missing compiler leaves nothing
  // behind.
  try {
    // A different corpus is refused before any device is contacted.
    settled(staff.taskParts);
    const identity = settled(await staff.open());
    const sweep = openSweep(store, options, resumed, identity);
    const facts: SweepFacts = { store, sweepId: sweep.id, config, objectives, budgets };
    const running = new RunningIdentity(store, sweep, identity, { allowMixed, command });
    return { sweep, staff, context: contextOf(facts, staff, running, listen), domain, strategy, imported };
  } catch (error) {
    await staff.close();
    if (options.signal.aborted)
      throw new InterruptedError("interrupted before the sweep began; nothing was written");
    throw error;
  }
}
