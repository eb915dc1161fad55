// Reads a sweep from the store into the plain data that reports/ renders: all of it at once, or kept up to date while it runs,
// reading only what changed. Of a very large sweep a page gets a selection, with the counts and the front of all of it.

import { partsEver } from "../../profilers/identity.ts";
import { countStates, ReasonCount } from "../../reports/front.ts";
import { partFacts } from "../../reports/identity-text.ts";
import type {
  FrontData,
  ReportConfirmation,
  ReportData,
  ReportDevice,
  ReportHealth,
  ReportRows,
  ReportTrial,
  TrialState,
} from "../../reports/model.ts";
import { orientValues } from "../../search/pareto.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import { proxyNotices } from "../config/proxy-notices.ts";
import { withoutPaths } from "../config/without-paths.ts";
import { deviceNamed } from "../farm/known.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { TrialStanding } from "../store/trial-table.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import { FrontHistory } from "../sweep/front-history.ts";
import { resolveBudgets, resolveObjectives } from "../sweep/metric-names.ts";
import { auditsOf } from "../sweep/proxy-audit.ts";
import { Timeline } from "./report-history.ts";
import { declaredIds, publishedIds, reportTrials } from "./report-trials.ts";

function healthOf(store: Store, device: string): ReportHealth {
  const { state, reason, queued, recentFaults, lastFault, temperatureC } = store.health.deviceHealth(device);
  const last = lastFault === null ? null : `${lastFault.cause}: ${lastFault.reason}`;
  return { state, reason, queued, recentFaults, lastFault: last, temperatureC };
}

function reportDevices(
  store: Store,
  { id: sweepId, config, identity }: Pick<Sweep, "id" | "config" | "identity">,
  { health = false, conditions = false }: ReaderOptions,
): readonly ReportDevice[] {
  // Imported trials have no measurements here; what they brought says whether an emulator took them.
  const parts = identity === null ? [] : partsEver(identity);
  const emulated = new Set([
    ...store.history.emulatedDevices(sweepId, config.measure.devices),
    ...parts.flatMap((part) => (part.emulated ? [part.of] : [])),
  ]);
  const measuredUnder = conditions ? store.history.conditions(sweepId) : undefined;
  return config.measure.devices.flatMap((name): ReportDevice[] => {
    // As it was measured with here; a device that was enrolled again since has another probe.
    const measured = store.history.probes(sweepId, name).at(-1);
    const probe = measured ?? store.devices.lastProbe(name);
    if (probe === null) return [];
    const { result, agentSha256 } = probe;
    const device = store.devices.find(name) ?? (name === "local" ? deviceNamed(store, name) : null);
    return [
      {
        name,
        transport: device?.transport ?? "removed",
        arch: result.arch,
        cpu: result.cpuModel,
        isa: result.isa,
        threads:
          config.measure.threads || (measured?.threads ?? device?.threads ?? result.allowedCpus.length),
        memoryBytes: result.memoryBytes,
        emulated:
          emulated.has(name) || result.emulated || (measured === undefined && device?.emulator !== undefined),
        agentSha256,
        ...(health && { health: healthOf(store, name) }),
        ...(measuredUnder?.has(name) && { conditions: measuredUnder.get(name) }),
      },
    ];
  });
}

/** What built each device's agent, as the agent itself says. */
function compilersOf(store: Store, { id, config }: Sweep): Readonly<Record<string, string>> {
  const probed = config.measure.devices.map((name) => {
    const probe = store.history.probes(id, name).at(-1) ?? store.devices.lastProbe(name);
    return [name, probe?.result.compiler] as const;
  });
  return Object.fromEntries(
    probed.flatMap(([name, compiler]) => (compiler ? [[`agent on ${name}`, compiler]] : [])),
  );
}

/**
 * What the front of a sweep is shown from, without its other trials: the front as the store keeps it, and what was published or
 * declared. For sweeps too large to be read whole each time.
 */
export function frontData(store: Store, sweep: Sweep): FrontData {
  const { config, id } = sweep;
  const objectives = resolveObjectives(config);
  const declared = declaredIds(config);
  const front = new Set(store.fronts.of(id, objectives));
  const shown = [...front, ...store.trials.idsOfCandidates(id, [...publishedIds.keys(), ...declared])];
  const trials = [...reportTrials(store, config, declared, [...new Set(shown)])].map(([trial, shown]) => ({
    ...shown,
    onFront: front.has(trial),
  }));
  const none = countStates({ trials: [] });
  const proxies = auditsOf(store, id);
  return {
    sweep: sweep.name,
    objectives,
    trials,
    totals: { trials: sweep.trials, counts: { ...none, ...store.trials.counts(id) }, reasons: [] },
    ...(proxies.length > 0 && { proxies }),
    ...(config.score !== undefined && { proxyWidth: config.score.proxy.width }),
    ...noticesOf(sweep),
    devices: reportDevices(store, sweep, {}),
    identity: sweep.identity,
  };
}

/** Complete trials beside the front that chances are worked out against, of a sweep too large to be read whole. */
const LATEST_BESIDE = 200;

/** What the front of a sweep is shown from, with how well its values are known, however large the sweep is. */
export function frontOf(store: Store, sweep: Sweep): FrontData {
  const { id, config } = sweep;
  const history = historyOf(store, id);
  if (sweep.trials <= PAGE_TRIALS) return withEstimates(reportData(store, sweep), history);
  const front = frontData(store, sweep);
  const known = new Set(front.trials.map(({ number }) => number));
  const latest = reportTrials(
    store,
    config,
    declaredIds(config),
    store.trials.latestComplete(id, LATEST_BESIDE),
    {
      evidence: false,
    },
  );
  const beside = [...latest.values()].filter(({ number }) => !known.has(number));
  return withEstimates(front, history, { beside });
}
const noticesOf = ({ config }: Sweep): Pick<ReportData, "notices"> => {
  const notices = proxyNotices(config);
  return notices.length > 0 ? { notices } : {};
};

/** Trials that a page shows of a sweep that has more: what it draws stays quick, and the file below 8 MB. */
export const PAGE_TRIALS = 5000;
/** The first ones, which hold what the configuration declares, are always among them, */
const ALWAYS_FIRST = 100;
/** and this share of them is the newest; up to twice as many, so that not every new trial pushes out another. */
const NEWEST_SHARE = 0.1;
/** Of all the others, evenly spread, this share. */
const SPREAD_SHARE = 0.7;
/** Layouts that were on the front, the latest. */
const ALWAYS_LEFT = 300;

export interface ReaderOptions {
  /** Trials handed out at most. */
  readonly atMost?: number;
  /** With the state of the devices now. */
  readonly health?: boolean;
  /** With what the devices measured under. */
  readonly conditions?: boolean;
  /** Of a sweep larger than `atMost`, the first reading leaves out who worked when, half of its work; the next one has it. */
  readonly jobsLater?: boolean;
  /** False leaves out who worked when. */
  readonly jobs?: boolean;
  /** False leaves out what values rest on. */
  readonly evidence?: boolean;
  /** Ids of trials that are handed out whatever else is. */
  readonly always?: readonly number[];
}

/** Trials read at once where all are gone through. */
const ROWS_AT_ONCE = 500;

export class SweepReader {
  private readonly sweepId: number;
  private readonly objectives: readonly Objective[];
  private readonly declared: ReadonlySet<string>;
  private readonly atMost: number;
  private readonly front: FrontHistory;
  /** By trial id. */
  private readonly standings = new Map<number, TrialStanding>();
  private readonly pending = new Set<number>();
  /** Repetitions that have ended, by id. */
  private readonly repetitions = new Set<number>();
  private readonly timeline: Timeline;
  private readonly reasons = new ReasonCount();
  /** Trials that have ended, read before. */
  private readonly known = new Map<number, ReportTrial>();
  private lastTrial = 0;
  private lastJob = 0;
  private jobsLeft = false;
  /** Ids of trials that are handed out whatever else is. */
  private always: ReadonlySet<number>;

  /** Throws InvalidInputError where the configuration names what this version does not know. */
  constructor(
    private readonly store: Store,
    { id, createdAt, config }: Sweep,
    private readonly options: ReaderOptions = {},
  ) {
    this.sweepId = id;
    this.objectives = resolveObjectives(config);
    this.declared = declaredIds(config);
    const atMost = options.atMost ?? Number.POSITIVE_INFINITY;
    this.atMost = atMost;
    this.always = new Set(options.always);
    this.front = new FrontHistory(atMost);
    const numberOf = (trial: number): number | null => this.standings.get(trial)?.number ?? null;
    this.timeline = new Timeline(Date.parse(createdAt), atMost !== Number.POSITIVE_INFINITY, numberOf);
  }

  /** The sweep as it is now. */
  read(sweep: Sweep): ReportData {
    return this.store.snapshot(() => {
      this.update();
      return this.data(sweep);
    });
  }

  /** The sweep as it is now, its trials to be read as they are gone through: what has ended stays as it is. */
  rows(sweep: Sweep): ReportRows {
    return this.store.snapshot(() => {
      this.update();
      const open = this.fresh(sweep.config, [...this.pending]);
      const [standings, finish] = [[...this.standings.values()], this.finisher(sweep)];
      const fresh = (ids: readonly number[]) => this.fresh(sweep.config, ids);
      const trials = {
        *[Symbol.iterator](): Generator<ReportTrial> {
          for (let from = 0; from < standings.length; from += ROWS_AT_ONCE) {
            const page = standings.slice(from, from + ROWS_AT_ONCE);
            const ended = fresh(page.flatMap(({ id }) => (open.has(id) ? [] : [id])));
            for (const one of page) yield finish(open.get(one.id) ?? ended.get(one.id)!, one);
          }
        },
      };
      const metrics = this.store.trials.metricNames(sweep.id);
      return { ...this.facts(sweep), trials, metrics };
    });
  }

  /** From now on these trials are handed out too. */
  include(ids: readonly number[]): void {
    this.always = new Set([...this.always, ...ids]);
  }

  /** Something was left for the next reading. */
  get behind(): boolean {
    return this.jobsLeft;
  }

  private update(): void {
    const { store, sweepId } = this;
    const first = this.lastTrial === 0;
    const again = new Set(this.repeatedSince());
    for (const trial of again) this.known.delete(trial);
    const open = [...new Set([...this.pending, ...this.timeline.running(), ...again])];
    const names = this.objectives.map(({ name }) => name);
    const complete: TrialStanding[] = [];
    for (const standing of store.trials.standing(sweepId, this.lastTrial, open, names)) {
      const before = this.standings.get(standing.id)?.state;
      this.standings.set(standing.id, standing);
      this.lastTrial = Math.max(this.lastTrial, standing.id);
      if (standing.state === "proposed") this.pending.add(standing.id);
      else {
        this.pending.delete(standing.id);
        if (standing.state !== before) this.reasons.add(standing);
        if (standing.state === "complete") {
          if (before !== "complete" || again.has(standing.id)) complete.push(standing);
        } else if (before === "complete") this.front.drop(standing.number);
      }
    }
    const late = this.jobsLeft;
    this.jobsLeft = first && this.options.jobsLater === true && this.standings.size > this.atMost;
    // Where nobody asks who worked when: only the jobs of what still runs.
    if (this.options.jobs === false)
      for (const span of store.history.spans(sweepId, Number.MAX_SAFE_INTEGER, [...this.pending]))
        this.timeline.put(span);
    else if (!this.jobsLeft)
      for (const span of store.history.spans(sweepId, this.lastJob, open)) {
        this.timeline.put(span);
        this.lastJob = Math.max(this.lastJob, span.id);
        if (!late) this.known.delete(span.trialId);
      }
    this.front.add(
      complete.map(({ number, values }) => ({ number, vector: orientValues(values, this.objectives) })),
    );
  }

  /** Trials whose repetitions ended since the last reading: their values may be others. */
  private repeatedSince(): readonly number[] {
    return this.store.repetitions.all(this.sweepId).flatMap(({ id, trialId, state }) => {
      if (state === "planned" || this.repetitions.has(id)) return [];
      this.repetitions.add(id);
      return [trialId];
    });
  }

  /** What is said of the sweep as a whole. */
  private facts(sweep: Sweep): Omit<ReportData, "trials" | "totals"> {
    const { config } = sweep;
    const { front, objectives, store } = this;
    const proxies = auditsOf(store, sweep.id);
    const confirmation = store.confirmations.latest(sweep.id);
    return {
      sweep: sweep.name,
      createdAt: sweep.createdAt,
      edgefrontVersion: sweep.environment.edgefront ?? "unknown",
      gitCommit: sweep.environment.commit ?? null,
      objectives,
      budgets: resolveBudgets(config),
      referencePoint:
        front.referencePoint?.map((value, m) => (objectives[m]!.direction === "min" ? value : -value)) ??
        null,
      hypervolume: front.hypervolumes,
      frontSpans: front.spans,
      ...(proxies.length > 0 && { proxies }),
      ...(config.score !== undefined && { proxyWidth: config.score.proxy.width }),
      ...noticesOf(sweep),
      ...(confirmation && { confirmation: confirmation.result as ReportConfirmation }),
      devices: reportDevices(store, sweep, this.options),
      identity: sweep.identity,
      ...(this.options.jobs !== false && { timeline: this.timeline.read(sweep.isRunning) }),
      configuration: withoutPaths(config),
      environment: {
        ...sweep.environment,
        ...compilersOf(store, sweep),
        ...partFacts(sweep.identity),
      },
    };
  }

  private runningIn({ isRunning }: Sweep): ReadonlySet<number> {
    return isRunning ? this.timeline.running() : new Set();
  }

  /** Says of a trial as it was read how it stands in the sweep. */
  private finisher(sweep: Sweep): (trial: ReportTrial, standing: TrialStanding) => ReportTrial {
    const [running, front] = [this.runningIn(sweep), this.front.front];
    return (trial, standing) => ({
      ...trial,
      state: this.stateOf(standing, running),
      onFront: front.has(trial.number),
    });
  }

  private data(sweep: Sweep): ReportData {
    // A sweep numbers its trials in the order it writes them.
    const all = [...this.standings.values()];
    const shown = all.length > this.atMost ? this.selection(all, this.front.front) : all;
    const [running, finish] = [this.runningIn(sweep), this.finisher(sweep)];
    return {
      ...this.facts(sweep),
      trials: this.trialsOf(shown, sweep.config).map((trial, index) => finish(trial, shown[index]!)),
      ...(shown.length < all.length && {
        totals: {
          trials: all.length,
          counts: countStates({ trials: all.map((one) => ({ state: this.stateOf(one, running) })) }),
          reasons: this.reasons.list,
        },
      }),
    };
  }

  private stateOf({ id, state }: TrialStanding, running: ReadonlySet<number>): TrialState {
    return state === "proposed" && running.has(id) ? "running" : state;
  }

  /** The front, the published, the first and the newest trials, and as many others as fit, evenly spread. */
  private selection(all: readonly TrialStanding[], front: ReadonlySet<number>): readonly TrialStanding[] {
    const spread = 2 ** Math.ceil(Math.log2(all.length / (this.atMost * SPREAD_SHARE)));
    const newest = Math.max(1, Math.floor(this.atMost * NEWEST_SHARE));
    const newestFrom = (Math.floor(all.length / newest) - 1) * newest;
    const was = new Set(this.front.spans.slice(-ALWAYS_LEFT).map(({ trial }) => trial));
    const kept = all.filter(
      ({ id, number, candidateId, state }, index) =>
        front.has(number) ||
        was.has(number) ||
        this.always.has(id) ||
        publishedIds.has(candidateId) ||
        this.declared.has(candidateId) ||
        state === "proposed" ||
        number % spread === 0 ||
        index < ALWAYS_FIRST ||
        index >= newestFrom,
    );
    return kept;
  }

  private fresh(config: SweepConfig, ids: readonly number[]): ReadonlyMap<number, ReportTrial> {
    return reportTrials(this.store, config, this.declared, ids, this.options);
  }

  /** Reads what is not known yet; only what has ended is kept. */
  private trialsOf(shown: readonly TrialStanding[], config: SweepConfig): readonly ReportTrial[] {
    const missing = shown.filter(({ id }) => !this.known.has(id)).map(({ id }) => id);
    const fresh = this.fresh(config, missing);
    const trials = shown.map(({ id }) => this.known.get(id) ?? fresh.get(id)!);
    if (this.known.size > 2 * this.atMost) this.known.clear();
    for (const { id, state } of shown)
      if (state !== "proposed" && fresh.has(id)) this.known.set(id, fresh.get(id)!);
    return trials;
  }
}

/** Everything a report shows of one sweep, read once. */
export const reportData = (store: Store, sweep: Sweep, options: ReaderOptions = {}): ReportData =>
  new SweepReader(store, sweep, options).read(sweep);

/** A sweep for formats that hold every trial: what has to be kept of it is small, the trials are read as they are gone through. */
export const reportRows = (store: Store, sweep: Sweep, options: ReaderOptions = {}): ReportRows =>
  new SweepReader(store, sweep, options).rows(sweep);
