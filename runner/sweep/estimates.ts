// How well the values of a sweep are known: intervals of every metric, and each layout's chance to be on the front. Worked out over all of its
// layouts at once when somebody asks, from samples; nothing of it is stored.
import { originOf } from "../../profilers/metrics/name.ts";
import { unitOf } from "../../profilers/metrics/units.ts";
import { emulatedDevices, isEmulated } from "../../reports/metrics.ts";
import type {
  FrontData,
  ReportEstimate,
  ReportMetric,
  ReportObjective,
  ReportTrial,
} from "../../reports/model.ts";
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

/** How the noise of a metric goes: times and sizes vary in proportion, scores do not, counted metrics not at all. */
const SCALES = { measured: "ratio", trained: "difference", counted: "exact" } as const;
export const scaleOf = (name: string): Scale => SCALES[originOf(name)];

/** Squares between the sessions of a metric in earlier sweeps. */
export type History = (metric: string) => Squares;

/** Layouts of earlier sweeps that are looked at. */
const MOST_EARLIER = 200;

export const historyOf =
  (store: Store, sweepId: number): History =>
  (metric) =>
    squaresBetween(store.metrics.repeatedElsewhere(sweepId, metric, MOST_EARLIER), scaleOf(metric));

type Sampling = { readonly metrics: Readonly<Record<string, ReportMetric>> };

/** An interval within what the metric can be: a share of right answers lies between 0 and 1. */
const possible = (known: Estimate, unit: string): Estimate =>
  !unitOf(unit).isShare || known.low === null || known.high === null
    ? known
    : { ...known, low: Math.max(0, known.low), high: Math.min(1, known.high) };

/** Estimates of one metric over the layouts that have it, by their place. */
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

/** How much one session, or seed, of a layout varies from another; null while nothing tells. */
export function spreadOf(layouts: readonly Sampling[], metric: string, history: History): Spread | null {
  const own = layouts.flatMap(({ metrics }) => (metric in metrics ? [metrics[metric]!] : []));
  return commonSpread(own, scaleOf(metric), history(metric));
}

/** What is known of a device's noise in one metric. */
export interface DeviceNoise {
  readonly metric: string;
  /** Layouts that were measured in several sessions, over all sweeps (the newest 200). */
  readonly layouts: number;
  /** Relative standard deviations: of another session, and of a repetition within one (null: there was one each). */
  readonly session: number;
  readonly repetition: number | null;
  /** Sessions of three repetitions after which a value is known to 5% (95% interval). */
  readonly sessionsFor5Percent: number;
}

/** Half of a 95% interval of 5%, in standard errors. */
const FIVE_PERCENT = 0.05 / 1.96;

/** The noise of a device as all sweeps of the database saw it, by metric. */
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

/** Sessions, or seeds, behind a value. */
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

/** Layouts that have every objective, as points whose front is in doubt. */
export const pointsOf = (
  layouts: readonly Identified[],
  objectives: readonly Directed[],
  history: History,
): readonly NoisyPoint[] => noisyPoints(idsOf(layouts), objectivesOf(layouts, objectives, history));

/** The same in the objectives' own units, as hypervolume wants them. */
export const linearPointsOf = (
  layouts: readonly Identified[],
  objectives: readonly Directed[],
  history: History,
): readonly NoisyPoint[] => linearPoints(idsOf(layouts), objectivesOf(layouts, objectives, history));

/** Chance of each point to be on the front. Same points, same answer. */
export const chancesOf = (points: readonly NoisyPoint[]): readonly number[] =>
  frontChances(points, createRng(1));

/** Layouts that chances are worked out over: the front and the latest of a long sweep. */
const MOST = 400;

/** `~`, as tables mark what is not to be relied on. */
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
  /** Trials that are estimated with, and not handed out. */
  readonly beside?: readonly ReportTrial[];
  /** False leaves out the chances, which take longer than all the rest. */
  readonly chances?: boolean;
  /** Only trials on the front get theirs: those that can be chosen. The others stay the same objects. */
  readonly frontOnly?: boolean;
}

/** The same trials with an estimate for each of their metrics, and a chance for each complete one that was looked at. */
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
