// Sets a sweep up: checks that it may be started or resumed as asked, makes its strategy, opens every device, and only then takes it over. What
// cannot be run leaves nothing behind.
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
  /** Folder that relative paths of the configuration start from. */
  readonly folder: string;
  readonly resume: boolean;
  /** An earlier sweep, or a jsonl export, whose trials this one starts with. Only for a new sweep. */
  readonly warmStart?: string;
  /** Numbers on different contents (corpus, agent, device, ...) may stand in one front; recorded and shown. Default: refused. */
  readonly allowMixed?: boolean;
  /** The command line that started it, for messages that say how to continue. */
  readonly command?: string;
  /** Devices that are not at rest are measured all the same, and their results marked. */
  readonly noWait?: boolean;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  /** How devices are driven, where it is not as usual: faster pauses, another agent. */
  readonly farm?: FarmOptions;
}

/** A sweep that may run: this process owns it, and its devices are open. */
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
 * The sweep to continue, and who owned it; null for one to start. Throws InvalidInputError when the sweep may not be started or resumed as
 * asked; writes nothing.
 */
async function checkSweep(store: Store, options: RunOptions): Promise<Resumed | null> {
  const { name, config, resume, signal, listen, farm } = options;
  if (!resume) store.sweeps.requireFree(name);
  const sweep = store.sweeps.find(name);
  // Batch systems repeat one command line that starts a sweep or continues it.
  if (sweep === null) return null;
  // Options that the configuration learned since then have their defaults.
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

/** Devices that are not at rest are not waited for. Only for this run: the sweep's own configuration stays what it is. */
function withoutWaiting(config: SweepConfig): SweepConfig {
  const { protocol } = config.measure;
  const readiness = { ...protocol.readiness, deadlineSeconds: 0 };
  return { ...config, measure: { ...config.measure, protocol: { ...protocol, readiness } } };
}

/** Layouts that are proposed before any other: those of a study, then those that the configuration declares. */
function declaredLayouts(config: SweepConfig, space: Space): readonly Layout[] {
  const designed =
    config.study === undefined ? [] : designs[config.study](space).slice(0, config.studyLayouts);
  return [...designed.map(({ layout }) => layout), ...(config.space.include ?? []).map(layoutFrom)];
}

/** Throws InvalidInputError on input that cannot be run, and RunError where a device does not answer: nothing is written then. */
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
  // Every device must answer before the sweep exists: a wrong key or a missing compiler leaves nothing behind.
  try {
    // Another corpus is refused before any device is asked.
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
