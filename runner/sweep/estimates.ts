// Estimates how certain a sweep's values are: intervals of every metric, and each layout's chance to be on
// the front. Computed from samples over all layouts at once, on request; nothing is stored.
import { originOf } from "../../profilers/metrics/name.ts";
import { unitOf } from "../../profilers/metrics/units.ts";
import { emulatedDevices, isEmulated } from "../../reports/metrics.ts";
import type {
  FrontData,
  ReportEstimate,
  ReportMetric,
  ReportObjective,
  ReportTrial,
} from "../../reports/report-model.ts";
import { componentsOf, sessionsFor } from "../../search/noise/components.ts";
import {
  commonSpread,
  type Estimate,
  estimates,
  type Scale,
  squaresBetween,
} from "../../search/noise/estimate.ts";
import { frontChances, type NoisyPoint } from "../../search/noise/front-chance.ts";
import { type EstimatedObjective, linearPoints, noisyPoints } from "../../search/noise/points.ts";
import type { Spread, Squares } from "../../search/noise/spread.ts";
import { createRng } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import type { Store } from "../store/store.ts";

/**
 * How noise scales with a value: times and sizes vary in proportion, scores by differences, counted metrics
 * not at all.
 */
const SCALES = { measured: "ratio", trained: "difference", counted: "exact" } as const;
/** Returns the noise scale of a metric. */
export const scaleOf = (name: string): Scale => SCALES[originOf(name)];

/** Sums of squares between the sessions of a metric in earlier sweeps. */
export type History = (metric: string) => Squares;

/** The most layouts of earlier sweeps that are used. */
const MOST_EARLIER = 200;

/** Returns a function that reads a metric's history from the sweeps other than this one. */
export const historyOf =
  (store: Store, sweepId: number): History =>
  (metric) =>
    squaresBetween(store.metrics.repeatedElsewhere(sweepId, metric, MOST_EARLIER), scaleOf(metric));

type Sampling = { readonly metrics: Readonly<Record<string, ReportMetric>> };

/** Clips an interval to possible values: a share of right answers lies between 0 and 1. */
const possible = (known: Estimate, unit: string): Estimate =>
  !unitOf(unit).isShare || known.low === null || known.high === null
    ? known
    : { ...known, low: Math.max(0, known.low), high: Math.min(1, known.high) };

/** Returns estimates of one metric for the layouts that have it, keyed by their index. */
export function estimatesOf(
  layouts: readonly Sampling[],
  metric: string,
  history: History,
): ReadonlyMap<number, Estimate> {
  const places = layouts.flatMap(({ metrics }, n) => (metric in metrics ? [n] : []));
  const scale = scaleOf(metric);
  const found = estimates(
    places.map((n) => layouts[n]!.metrics[metric]!),
    scale,
    scale === "exact" ? undefined : history(metric),
  );
  return new Map(places.map((n, i) => [n, possible(found[i]!, layouts[n]!.metrics[metric]!.unit)]));
}

/** Returns how much sessions, or seeds, of a layout vary; null when there are no repeated samples. */
export function spreadOf(layouts: readonly Sampling[], metric: string, history: History): Spread | null {
  const own = layouts.flatMap(({ metrics }) => (metric in metrics ? [metrics[metric]!] : []));
  return commonSpread(own, scaleOf(metric), history(metric));
}

/** The noise of a device in one metric. */
export interface DeviceNoise {
  readonly metric: string;
  /** Layouts that were measured in several sessions, over all sweeps (the newest 200). */
  readonly layouts: number;
  /**
   * Relative standard deviation between sessions, and between repetitions within one (null: each had one
   * repetition).
   */
  readonly session: number;
  readonly repetition: number | null;
  /** Sessions of three repetitions that bring the 95% interval of a value to 5%. */
  readonly sessionsFor5Percent: number;
}

/** The standard error of a value whose 95% interval is 5% to each side. */
const FIVE_PERCENT = 0.05 / 1.96;

/** Returns the noise of a device by metric, over all sweeps of the database. */
export function deviceNoise(store: Store, device: string): readonly DeviceNoise[] {
  return store.metrics.repeatedNames(device).flatMap((metric) => {
    const layouts = store.metrics.repeatedElsewhere(-1, metric, MOST_EARLIER);
    const found = componentsOf(layouts, scaleOf(metric));
    if (found === null) return [];
    return [
      {
        metric,
        layouts: found.layouts,
        session: Math.sqrt(found.session.variance),
        repetition: found.repetition && Math.sqrt(found.repetition.variance),
        sessionsFor5Percent: sessionsFor(FIVE_PERCENT, found, 3),
      },
    ];
  });
}

/** Returns the number of sessions, or seeds, behind a value. */
export const unitsOf = (metric: ReportMetric, name: string): number =>
  metric.sessions?.length ??
  (scaleOf(name) === "ratio" ? Math.min(1, metric.samples.length) : metric.samples.length);

type Identified = Sampling & { readonly id: string };
type Directed = Pick<Objective, "name" | "direction">;

const objectivesOf = (
  layouts: readonly Sampling[],
  objectives: readonly Directed[],
  history: History,
): readonly EstimatedObjective[] =>
  objectives.map(({ name, direction }) => {
    const known = estimatesOf(layouts, name, history);
    return { direction, scale: scaleOf(name), estimates: layouts.map((_, n) => known.get(n)!) };
  });
const idsOf = (layouts: readonly Identified[]): readonly string[] => layouts.map(({ id }) => id);

/**
 * Returns the layouts as points with errors, from which chances are computed. Every layout must have every
 * objective.
 */
export const pointsOf = (
  layouts: readonly Identified[],
  objectives: readonly Directed[],
  history: History,
): readonly NoisyPoint[] => noisyPoints(idsOf(layouts), objectivesOf(layouts, objectives, history));

/** Returns the same points in the objectives' own units, which hypervolume needs. */
export const linearPointsOf = (
  layouts: readonly Identified[],
  objectives: readonly Directed[],
  history: History,
): readonly NoisyPoint[] => linearPoints(idsOf(layouts), objectivesOf(layouts, objectives, history));

/**
 * Returns each point's chance to be on the front. Equal points give equal chances: the generator's seed is
 * fixed.
 */
export const chancesOf = (points: readonly NoisyPoint[]): readonly number[] =>
  frontChances(points, createRng(1));

/** Chances of a long sweep are computed over the front and this many of the latest layouts. */
const MOST = 400;

/** Reasons why tables mark a value with `~`: it should not be relied on. */
const marksOf = (
  name: string,
  metric: ReportMetric,
  known: Estimate,
  emulated: ReadonlySet<string>,
): string[] => [
  ...(metric.stable ? [] : ["unstable"]),
  ...(known.standardError === null ? ["unknown error"] : []),
  ...(isEmulated(name, emulated) ? ["emulated"] : []),
];

const shown = (
  name: string,
  metric: ReportMetric,
  known: Estimate,
  emulated: ReadonlySet<string>,
): ReportEstimate => ({
  low: known.low,
  high: known.high,
  sessions: known.sessions,
  marks: marksOf(name, metric, known, emulated),
});

export interface EstimateOptions {
  /** Trials that take part in the estimation but are not returned. */
  readonly beside?: readonly ReportTrial[];
  /** False leaves out the chances, which take longer than everything else. */
  readonly chances?: boolean;
  /**
   * Estimates only trials on the front, the only ones that can be chosen. The other trials stay the same
   * objects.
   */
  readonly frontOnly?: boolean;
}

/**
 * Returns the trials with an estimate for each metric, and a chance for each complete trial that was used.
 */
export function withEstimates<T extends FrontData>(
  data: T,
  history: History,
  { beside = [], chances: wanted = true, frontOnly = false }: EstimateOptions = {},
): T {
  const emulated = emulatedDevices(data);
  const all = [...data.trials, ...beside];
  const names = new Set(all.flatMap(({ metrics }) => Object.keys(metrics)));
  const known = new Map([...names].map((name) => [name, estimatesOf(all, name, history)]));
  const chances = wanted ? trialChances(all, data.objectives, history) : new Map<ReportTrial, number>();
  const estimated = (trial: ReportTrial, n: number): ReportTrial => ({
    ...trial,
    ...(chances.has(trial) && { chance: chances.get(trial)! }),
    metrics: Object.fromEntries(
      Object.entries(trial.metrics).map(([name, metric]) => [
        name,
        { ...metric, estimate: shown(name, metric, known.get(name)!.get(n)!, emulated) },
      ]),
    ),
  });
  const trials = data.trials.map((trial, n) => (frontOnly && !trial.onFront ? trial : estimated(trial, n)));
  return { ...data, trials };
}

function trialChances(
  trials: readonly ReportTrial[],
  objectives: readonly ReportObjective[],
  history: History,
): ReadonlyMap<ReportTrial, number> {
  const complete = trials.filter(
    ({ state, metrics }) => state === "complete" && objectives.every(({ name }) => name in metrics),
  );
  const latest = new Set(complete.slice(-MOST));
  const looked = complete.filter((trial) => trial.onFront || latest.has(trial));
  const chances = chancesOf(pointsOf(looked, objectives, history));
  return new Map(looked.map((trial, n) => [trial, chances[n]!]));
}
