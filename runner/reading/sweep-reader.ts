// Reads a sweep from the store into the plain data that reports/ renders: all at once, or incrementally while
// it runs. A page of a very large sweep gets a selection of trials, with the counts and the front of all.

import { countStates, ReasonCount } from "../../reports/front.ts";
import { partFacts } from "../../reports/identity-text.ts";
import type {
  ReportConfirmation,
  ReportData,
  ReportRows,
  ReportTrial,
  TrialState,
} from "../../reports/report-model.ts";
import { orientValues } from "../../search/pareto.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import { withoutPaths } from "../config/without-paths.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { TrialStanding } from "../store/trial-table.ts";
import { FrontHistory } from "../sweep/front-history.ts";
import { resolveBudgets, resolveObjectives } from "../sweep/metric-names.ts";
import { proxyFacts } from "./proxy-facts.ts";
import { compilersOf, type DeviceOptions, reportDevices } from "./report-devices.ts";
import { Timeline } from "./report-history.ts";
import { declaredIds, reportTrials } from "./report-trials.ts";
import { shownTrials, type Wanted } from "./shown-trials.ts";

export interface ReaderOptions extends DeviceOptions {
  /** The most trials to return. */
  readonly atMost?: number;
  /** Leave the timeline of a sweep larger than `atMost` to the second reading: it is half of the work. */
  readonly jobsLater?: boolean;
  /** False leaves out the timeline. */
  readonly jobs?: boolean;
  /** False leaves out the evidence of values. */
  readonly evidence?: boolean;
  /** Ids of trials that are always returned. */
  readonly always?: readonly number[];
}

/** Number of trials read at once while iterating over all. */
const ROWS_AT_ONCE = 500;

export class SweepReader {
  private readonly sweepId: number;
  private readonly objectives: readonly Objective[];
  private readonly declared: ReadonlySet<string>;
  private readonly atMost: number;
  private readonly front: FrontHistory;
  /** Standings by trial id. */
  private readonly standings = new Map<number, TrialStanding>();
  private readonly pending = new Set<number>();
  /** Ids of repetitions that have ended. */
  private readonly repetitions = new Set<number>();
  private readonly timeline: Timeline;
  private readonly reasons = new ReasonCount();
  /** Ended trials that were read before. */
  private readonly known = new Map<number, ReportTrial>();
  private lastTrial = 0;
  private lastJob = 0;
  private jobsLeft = false;
  /** Ids of trials that are always returned. */
  private always: ReadonlySet<number>;

  /** @throws InvalidInputError when the configuration names something that this version does not know. */
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

  /** Returns the present state of the sweep. */
  read(sweep: Sweep): ReportData {
    return this.store.snapshot(() => {
      this.update();
      return this.data(sweep);
    });
  }

  /**
   * Returns the present state of the sweep with an iterable of trials. They are read during iteration,
   * because ended trials hardly change.
   */
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
      const metrics = this.store.metrics.names(sweep.id);
      return { ...this.facts(sweep), trials, metrics };
    });
  }

  /** Returns these trials too from now on. */
  include(ids: readonly number[]): void {
    this.always = new Set([...this.always, ...ids]);
  }

  /** True when something was left for the next reading. */
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
        if (standing.state !== before)
          this.reasons.add({ ...standing, overBudget: standing.overBudget ?? undefined });
        if (standing.state === "complete") {
          if (before !== "complete" || again.has(standing.id)) complete.push(standing);
        } else if (before === "complete") this.front.drop(standing.number);
      }
    }
    const late = this.jobsLeft;
    this.jobsLeft = first && this.options.jobsLater === true && this.standings.size > this.atMost;
    // Without a timeline, only the jobs of unfinished trials are read.
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

  /** Trials whose repetitions ended since the last reading, so their values may have changed. */
  private repeatedSince(): readonly number[] {
    return this.store.repetitions.all(this.sweepId).flatMap(({ id, trialId, state }) => {
      if (state === "planned" || this.repetitions.has(id)) return [];
      this.repetitions.add(id);
      return [trialId];
    });
  }

  /** The facts about the sweep as a whole. */
  private facts(sweep: Sweep): Omit<ReportData, "trials" | "totals"> {
    const { config } = sweep;
    const { front, objectives, store } = this;
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
      ...proxyFacts(store, sweep),
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

  /** Returns a function that adds a trial's present state and its place on the front. */
  private finisher(sweep: Sweep): (trial: ReportTrial, standing: TrialStanding) => ReportTrial {
    const [running, front] = [this.runningIn(sweep), this.front.front];
    return (trial, standing) => ({
      ...trial,
      state: this.stateOf(standing, running),
      onFront: front.has(trial.number),
    });
  }

  private data(sweep: Sweep): ReportData {
    // A sweep numbers its trials in the order in which they are written.
    const all = [...this.standings.values()];
    const shown = all.length > this.atMost ? shownTrials(all, this.wanted) : all;
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

  private get wanted(): Wanted {
    const { atMost, front, always, declared } = this;
    return {
      atMost,
      front: front.front,
      wasOnFront: front.spans.map(({ trial }) => trial),
      always,
      declared,
    };
  }

  private stateOf({ id, state }: TrialStanding, running: ReadonlySet<number>): TrialState {
    return state === "proposed" && running.has(id) ? "running" : state;
  }

  private fresh(config: SweepConfig, ids: readonly number[]): ReadonlyMap<number, ReportTrial> {
    return reportTrials(this.store, config, this.declared, ids, this.options);
  }

  /** Reads trials that are not cached. Only ended trials are cached. */
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

/** Returns everything that a report shows of one sweep. */
export const reportData = (store: Store, sweep: Sweep, options: ReaderOptions = {}): ReportData =>
  new SweepReader(store, sweep, options).read(sweep);

/**
 * Returns a sweep for formats that hold every trial. Little is kept in memory: trials are read during
 * iteration.
 */
export const reportRows = (store: Store, sweep: Sweep, options: ReaderOptions = {}): ReportRows =>
  new SweepReader(store, sweep, options).rows(sweep);
