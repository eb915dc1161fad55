// The closed loop: ask a batch, evaluate every trial of it, tell the results, ask again. Everything that happened is in the
// database before the next step, so that a run killed at any moment continues where it was with --resume.
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Space } from "../../candidates/space.ts";
import type { Identity, Part } from "../../profilers/identity.ts";
import { formatValue } from "../../reports/format.ts";
import { designs } from "../../search/designs/design-registry.ts";
import { layoutDomain } from "../../search/domain.ts";
import { orient } from "../../search/pareto.ts";
import { createStrategy } from "../../search/strategy-registry.ts";
import { DatabaseBusyError, InterruptedError } from "../base/run-errors.ts";
import { type SweepConfig, sweepSchema } from "../config/config.ts";
import { layoutFrom } from "../config/layouts.ts";
import { proxyNotices } from "../config/proxy-notices.ts";
import { withoutPaths } from "../config/without-paths.ts";
import type { Listener } from "../farm/events.ts";
import { SweepWindows } from "../farm/measurement/sweep-windows.ts";
import { RunningIdentity, settleIdentity } from "../farm/sweep-identity.ts";
import { isBusy } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import type { Ownership, Sweep } from "../store/sweep-table.ts";
import { IMPORTED_BATCH, type Trial } from "../store/trial-table.ts";
import { leftToAsk, screenBatch } from "./batch-screening.ts";
import { environment } from "./environment.ts";
import { type EvaluateContext, evaluate } from "./evaluate.ts";
import { FrontHistory } from "./front-history.ts";
import { resolveBudgets, resolveObjectives } from "./metric-names.ts";
import { outcomeOf } from "./outcomes.ts";
import { planBatch, repeatedIn, workOf } from "./planning.ts";
import { type Repeated, repeat } from "./repeat.ts";
import { RungOrder } from "./rung-order.ts";
import { type FarmOptions, Staff } from "./staff.ts";
import { awaitIdle, keepOwning, requireOwn, type SweepTakenError } from "./sweep-ownership.ts";
import { sweepSettled } from "./sweep-settled.ts";
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
  /** What was typed to start it, for messages that say how to go on. */
  readonly command?: string;
  /** Devices that are not at rest are measured all the same, and their results marked. */
  readonly noWait?: boolean;
  readonly signal: AbortSignal;
  readonly listen: Listener;
  /** How devices are driven, where it is not as usual: faster pauses, another agent. */
  readonly farm?: FarmOptions;
}

/** Trials in flight: enough to keep every device and the trainer busy, few enough to keep results in order. */
const inFlight = (devices: number): number => Math.min(2 * devices + 2, 12);

/**
 * The sweep to go on with, and whose it was; null for one to start. Throws InvalidInputError when the sweep may not be started or resumed as
 * asked; writes nothing.
 */
async function checkSweep(store: Store, options: RunOptions): Promise<Resumed | null> {
  const { name, config, resume, signal, listen, farm } = options;
  if (!resume) store.sweeps.requireFree(name);
  const sweep = store.sweeps.find(name);
  // One command line that starts or goes on, as batch systems repeat it.
  if (sweep === null) return null;
  // What the configuration learned to say since then has its default.
  const before = sweepSchema.safeParse(sweep.config);
  const stored = withoutPaths(before.success ? before.data : sweep.config);
  if (!isDeepStrictEqual(stored, withoutPaths(config)))
    throw new InvalidInputError(
      "config-changed",
      `the configuration is not the one sweep "${name}" was started with; restore it, or start another with --name`,
    );
  return { sweep, seen: await awaitIdle(store, sweep, signal, listen, farm?.leases) };
}

interface Resumed {
  readonly sweep: Sweep;
  readonly seen: Ownership;
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
const withoutWaiting = (config: SweepConfig): SweepConfig => {
  const { protocol } = config.measure;
  const readiness = { ...protocol.readiness, deadlineSeconds: 0 };
  return { ...config, measure: { ...config.measure, protocol: { ...protocol, readiness } } };
};

/** A last word that may fail where the disk is full: the error that stopped the sweep is the one to show. */
function tryTo(write: () => void): void {
  try {
    write();
  } catch {
    // A dead owner's sweep can be resumed without it.
  }
}

/** Runs `work` on every item, `limit` at a time, in order; the first rejection stops the rest through `stop`. */
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
  // The lane that failed first aborted the others: an error that is not the abort itself says why.
  const cause = failed.find(({ reason }) => (reason as Error).name !== "AbortError") ?? failed[0];
  if (cause !== undefined) throw cause.reason;
}

/** Trials up to which the live hypervolume puts those that ended late in their order; beyond, the order they ended in will do. */
const FRONT_REPLAYS = 500;

/**
 * Starts or resumes a sweep and runs it to its end. Throws InvalidInputError on input that cannot be run (nothing is written
 * then), RunError when a device or the machine stops it, InterruptedError when the signal aborts.
 */
export async function runSweep(store: Store, options: RunOptions): Promise<Sweep> {
  const { listen, farm = {} } = options;
  const config = options.noWait === true ? withoutWaiting(options.config) : options.config;
  const resumed = await checkSweep(store, options);
  const objectives = resolveObjectives(config);
  const budgets = resolveBudgets(config);
  const space = new Space(config.space);
  space.requireLayouts();
  const domain = layoutDomain(space);
  const designed =
    config.study === undefined ? [] : designs[config.study](space).slice(0, config.studyLayouts);
  const initial = [...designed.map(({ layout }) => layout), ...(config.space.include ?? []).map(layoutFrom)];
  const { trials: imported, brought } =
    options.warmStart === undefined || resumed !== null
      ? { trials: [], brought: null }
      : importedTrials(store, options.warmStart, config, objectives, budgets);
  const strategy = createStrategy(config.search.strategy, {
    space,
    objectives,
    initial,
    seed: config.seed,
    options: config.search.options,
  });
  const staff = await Staff.gather(store, config, options);
  const { name, allowMixed = false, command = `edgefront sweep <config> --name ${options.name}` } = options;
  const identityWith = (parts: readonly Part[]): Identity => {
    return settleIdentity({ name, sweep: resumed?.sweep ?? null, brought, allowMixed, command }, parts);
  };
  // Every device must answer before the sweep exists: a wrong key or a missing compiler leaves nothing behind.
  let sweep: Sweep;
  let identity: Identity;
  try {
    // Another corpus is told before any device is asked.
    identityWith(staff.taskParts);
    identity = identityWith(await staff.open());
    sweep = openSweep(store, options, resumed, identity);
  } catch (error) {
    await staff.close();
    if (options.signal.aborted)
      throw new InterruptedError("interrupted before the sweep began; nothing was written");
    throw error;
  }
  const { fleet, signal, records } = staff;
  let lost: SweepTakenError | null = null;
  const stopOwning = keepOwning(
    store,
    sweep,
    (error) => {
      lost = error;
      staff.stop();
    },
    farm.leases,
  );
  const context: EvaluateContext = {
    store,
    sweepId: sweep.id,
    config,
    objectives,
    budgets,
    fleet,
    devices: records.map((record) => record.name),
    windows: new SweepWindows(config.measure, { store, sweepId: sweep.id, listen }),
    trainer: staff.trainer,
    tasks: staff.tasks,
    identity: new RunningIdentity(store, sweep, identity, { allowMixed, command }),
    rungOrder: new RungOrder(),
    signal,
    listen,
  };
  const front = new FrontHistory(FRONT_REPLAYS);
  const tellFront = (): void =>
    listen({ kind: "front", size: front.front.size, hypervolume: front.hypervolumes.at(-1)?.value ?? 0 });
  const finished = (trial: Trial): void => {
    const { metrics } = outcomeOf(store, trial);
    if (trial.state === "complete") {
      front.add([{ number: trial.number, vector: orient(metrics, objectives) }]);
      // Kept up to date as it goes, so that asking for it of a large sweep costs nothing.
      store.fronts.of(sweep.id, objectives);
    }
    const onFront = front.front.has(trial.number);
    const values = objectives.flatMap(({ name, unit }) =>
      name in metrics ? [formatValue(metrics[name]!, unit)] : [],
    );
    listen({ kind: "trial", trial, onFront, values });
    if (onFront) tellFront();
  };
  /** A trial that was measured or trained once more has other values then, and may be over budget. */
  const repeated = ({ trial, joined, text }: Repeated): void => {
    if (joined) {
      if (trial.state !== "complete") front.drop(trial.number);
      else front.add([{ number: trial.number, vector: orient(outcomeOf(store, trial).metrics, objectives) }]);
      store.fronts.of(sweep.id, objectives);
    }
    listen({ kind: "repeated", trial, onFront: front.front.has(trial.number), text });
    if (joined) tellFront();
  };
  const runBatch = async (batch: number): Promise<void> => {
    let open = workOf(store, sweep.id, batch);
    // A trial whose device did not calm down comes again after the others, and is measured then as the device is.
    for (let asItIs = false; open.length > 0; asItIs = true) {
      const deferred: Trial[] = [];
      await inOrder(
        open,
        inFlight(records.length),
        () => staff.stop(),
        async (work) => {
          if ("targets" in work) {
            repeated(await repeat(work, context));
            return;
          }
          const end = await evaluate(work, context, asItIs);
          if (end === null) deferred.push(work);
          else
            finished({
              ...work,
              ...end,
              cause: end.cause ?? null,
              reason: end.reason ?? null,
              violation: end.violation ?? null,
            });
        },
      );
      open = deferred;
    }
  };

  try {
    if (imported.length > 0) store.trials.import(sweep.id, imported, basename(options.warmStart!));
    const last = store.trials.lastAsk(sweep.id);
    const before = store.trials.all(sweep.id).filter((trial) => trial.state !== "proposed");
    const counted = before.filter(({ state }) => state !== "screened").length;
    listen({ kind: "started", name: sweep.name, trials: config.search.trials, finished: counted });
    for (const text of proxyNotices(config)) listen({ kind: "notice", text });
    front.add(
      before
        .filter((trial) => trial.state === "complete")
        .map((trial) => ({
          number: trial.number,
          vector: orient(outcomeOf(store, trial).metrics, objectives),
        })),
    );
    if (front.front.size > 0) tellFront();
    const taken = store.trials.batch(sweep.id, IMPORTED_BATCH);
    if (last !== null) strategy.restore(last.strategyState);
    else strategy.tell(taken.map((trial) => outcomeOf(store, trial)));
    let enough = false;
    for (let batch = last?.batch ?? -1; ; ) {
      if (batch >= 0) {
        await runBatch(batch);
        const changed = [...store.trials.batch(sweep.id, batch), ...repeatedIn(store, sweep.id, batch)];
        strategy.tell(changed.map((trial) => outcomeOf(store, trial)));
        const { settled: rule } = config.search;
        if (rule !== undefined) {
          const volumes = front.hypervolumes.map(({ value }) => value);
          const { settled, reason } = sweepSettled(store, sweep.id, objectives, volumes, rule);
          if (settled && !enough) store.log("settled", { reason }, { sweepId: sweep.id });
          enough = settled;
        }
      }
      const left = enough ? 0 : leftToAsk(context, taken.length);
      const screened = screenBatch(left > 0 ? strategy.ask(left) : [], domain, context);
      const { proposals, event, repetitions } = planBatch(screened, domain, context);
      if (proposals.length === 0 && repetitions.length === 0) break;
      batch++;
      store.transaction(() => {
        requireOwn(store, sweep);
        store.trials.propose(
          sweep.id,
          batch,
          proposals,
          strategy.save(),
          event === null ? {} : { screening: event },
        );
        store.repetitions.plan(sweep.id, batch, repetitions);
      });
      listen({ kind: "proposed", batch, count: proposals.length, repetitions: repetitions.length });
      for (const trial of store.trials.batch(sweep.id, batch))
        if (trial.state === "screened") finished(trial);
    }
    store.transaction(() => {
      requireOwn(store, sweep);
      store.sweeps.complete(sweep.id);
    });
  } catch (error) {
    if (lost !== null) throw lost;
    if (isBusy(error)) store.hurry();
    tryTo(() =>
      store.log("stopped", { code: (error as { code?: string }).code ?? "error" }, { sweepId: sweep.id }),
    );
    if (!options.signal.aborted) throw isBusy(error) ? new DatabaseBusyError({ cause: error }) : error;
    throw new InterruptedError(
      `interrupted; everything finished of sweep "${sweep.name}" is kept; continue it with --resume`,
    );
  } finally {
    stopOwning();
    await staff.close().catch(() => {});
    tryTo(() => store.sweeps.release(sweep.id));
  }
  return store.sweeps.get(sweep.name);
}
