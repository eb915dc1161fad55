// Compares two layouts on a device by interleaved pairs of fresh runs, with a random order within each pair.
// Planned looks judge them by an exact test, its interval and a least effect. The comparison ends early once
// every metric is decided. The source of runs decides where they happen and what makes them void.
//
// Blocked measurements (A..A, then B..B) were rejected: under a throttling curve nearly every comparison of a
// layout with itself then "differs" (npm run bench:compare shows it).
import type { Rng } from "../candidates/space.ts";
import type { Direction } from "./metrics/kinds.ts";
import type { Interval } from "./statistics/bootstrap.ts";
import { holm } from "./statistics/holm.ts";
import { type Look, pairsNeeded, plannedLooks } from "./statistics/looks.ts";
import { drawOrders, type PairedDifference, pairedShift } from "./statistics/paired.ts";

export type Side = "a" | "b";
type Values = Readonly<Record<string, number>>;

/**
 * Measures one run of one side in a fresh process. Null: the run is void (moved, swapped ...), and so is its
 * pair.
 */
export type RunSide = (side: Side, pair: number) => Promise<Values | null>;

/** Waits until the device is at rest, as before the other pairs. False: the device does not come to rest. */
export type AwaitRest = () => Promise<boolean>;

export interface CompareRules {
  /** Largest number of valid pairs. */
  readonly pairs: number;
  /**
   * Largest chance that a comparison of identical layouts finds any difference, over all metrics and looks
   * together.
   */
  readonly errorRate: number;
  /** Relative difference below which two layouts count as the same. */
  readonly effect: number;
  /** Number of void pairs that are run again. One more ends the comparison. */
  readonly maxRepeats: number;
}
export const compareDefaults: CompareRules = { pairs: 20, errorRate: 0.05, effect: 0.02, maxRepeats: 10 };

export interface ComparedPair {
  readonly first: Side;
  /** Block of pairs whose orders were shuffled together. Absent: all pairs are one block. */
  readonly block?: number;
  readonly a: Values;
  readonly b: Values;
}

/** `same`: the interval lies within the effect; `undecided`: more pairs may decide. */
export type Verdict = "a-better" | "b-better" | "same" | "undecided";

export interface MetricComparison {
  readonly metric: string;
  readonly verdict: Verdict;
  /** Geometric mean over the pairs; `b` likewise. */
  readonly a: number;
  readonly b: number;
  /** b / a - 1, by the median of paired log-ratios. */
  readonly change: number;
  /**
   * The 95% interval of `change`, valid whenever the comparison ends. Ends are infinite while there are too
   * few pairs.
   */
  readonly interval: Interval;
  /**
   * p-value of the exact test. `adjustedP` adjusts it for the other looks and for the other metrics (Holm).
   */
  readonly p: number;
  readonly adjustedP: number;
  /**
   * Standard deviation of the log-ratio between two runs of one layout within a pair, estimated by ranks.
   * Null for too few pairs.
   */
  readonly pairSd: number | null;
  /**
   * Number of pairs that find a difference of this size in 80% of comparisons; null where the spread is
   * unknown.
   */
  readonly pairsNeeded: readonly { readonly difference: number; readonly pairs: number | null }[];
}

/**
 * With fewer pairs even the most extreme pattern is not rare enough, after adjusting for a handful of
 * metrics.
 */
export const MIN_PAIRS = 10;

/** Relative differences for which the result states the number of pairs needed. */
const TOLD_DIFFERENCES = [0.02, 0.05] as const;

export interface ComparedRun {
  readonly pairs: readonly ComparedPair[];
  /** Largest number of pairs of the comparison, then the pairs that each extension added. */
  readonly stages: readonly number[];
  readonly voided: number;
  /** `decided`: a look gave every metric a verdict; `pairs`: all pairs were run. */
  readonly ended: "decided" | "pairs";
  readonly looks: readonly Look[];
  readonly metrics: readonly MetricComparison[];
}

/** Inputs of a comparison beside its runs. */
export interface CompareContext {
  readonly rules: CompareRules;
  readonly rng: Rng;
  readonly directionOf: (metric: string) => Direction;
  readonly onPair?: (done: number, voided: number) => void;
  readonly atRest?: AwaitRest;
  /** An earlier comparison that ran all its pairs. `rules.pairs` are added to it. */
  readonly earlier?: Pick<ComparedRun, "pairs" | "stages">;
}

/** Runs one pair, and repeats it while it is void. Null where `mayRepeat` returns false. */
async function runPair(
  run: RunSide,
  first: Side,
  place: number,
  atRest: AwaitRest,
  mayRepeat: () => boolean,
): Promise<Pick<ComparedPair, "a" | "b"> | null> {
  do {
    const one = (await atRest()) ? await run(first, place) : null;
    const other = one && (await run(first === "a" ? "b" : "a", place));
    if (one !== null && other !== null) return first === "a" ? { a: one, b: other } : { a: other, b: one };
  } while (mayRepeat());
  return null;
}

/**
 * Runs pairs until a look decides every metric or all pairs were run. Returns null when more than
 * `maxRepeats` were void.
 */
export async function comparePairs(run: RunSide, context: CompareContext): Promise<ComparedRun | null> {
  const { rules, rng, directionOf, earlier, onPair = () => {}, atRest = async () => true } = context;
  const pairs = [...(earlier?.pairs ?? [])];
  const stages = [...(earlier?.stages ?? []), rules.pairs];
  const looks = plannedLooks(stages, rules.errorRate);
  const total = looks.at(-1)!.pairs;
  const blocksBefore = 1 + Math.max(-1, ...pairs.map(({ block }) => block ?? 0));
  const orders = drawOrders(rules.pairs, (n) => rng.below(n));
  let voided = 0;
  const mayRepeat = (): boolean => {
    onPair(pairs.length, ++voided);
    return voided <= rules.maxRepeats;
  };
  for (let at = pairs.length; at < total; at++) {
    const { first, block } = orders[at - (total - rules.pairs)]!;
    const values = await runPair(run, first, at, atRest, mayRepeat);
    if (values === null) return null;
    pairs.push({ first, block: block + blocksBefore, ...values });
    onPair(pairs.length, voided);
    const look = looks.find((planned) => planned.pairs === pairs.length);
    if (look === undefined) continue;
    const metrics = judgePairs(pairs, directionsOf(pairs, directionOf), rules, look.errorRate);
    const decided = metrics.every(({ verdict }) => verdict !== "undecided");
    if (decided || pairs.length === total)
      return { pairs, stages, voided, looks, metrics, ended: pairs.length < total ? "decided" : "pairs" };
  }
  throw new RangeError("need pairs to run");
}

const directionsOf = (
  pairs: readonly ComparedPair[],
  directionOf: CompareContext["directionOf"],
): Readonly<Record<string, Direction>> =>
  Object.fromEntries(Object.keys(pairs[0]!.a).map((metric) => [metric, directionOf(metric)]));

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);

const inLogs = ({ first, block, a, b }: ComparedPair, metric: string): PairedDifference => {
  const [logA, logB] = [Math.log(a[metric]!), Math.log(b[metric]!)];
  return {
    first,
    difference: logB - logA,
    level: (logA + logB) / 2,
    ...(block === undefined ? {} : { block }),
  };
};

/**
 * Judges every metric of `directions` (the better direction of each) at a look that may use `lookRate` of the
 * error rate. Values must be positive. The test, adjusted for all metrics and looks, decides whether a
 * difference counts, unless the whole interval lies within the effect.
 */
export function judgePairs(
  pairs: readonly ComparedPair[],
  directions: Readonly<Record<string, Direction>>,
  rules: CompareRules,
  lookRate = rules.errorRate,
): readonly MetricComparison[] {
  const shifts = Object.entries(directions).map(([metric, direction]) => {
    const differences = pairs.map((pair) => inLogs(pair, metric));
    return { metric, direction, shift: pairedShift(differences, 1 - lookRate) };
  });
  const adjusted = holm(shifts.map(({ shift }) => Math.min(1, (shift.p * rules.errorRate) / lookRate)));
  return shifts.map(({ metric, direction, shift }, index) => {
    const { p, pairSd } = shift;
    const change = Math.expm1(shift.estimate);
    const interval = { low: Math.expm1(shift.interval.low), high: Math.expm1(shift.interval.high) };
    const adjustedP = adjusted[index]!;
    const within = Math.max(Math.abs(interval.low), Math.abs(interval.high)) < rules.effect;
    const better = change > 0 === (direction === "max") ? "b-better" : "a-better";
    const needed = (difference: number): number | null =>
      pairSd === null
        ? null
        : pairsNeeded({ pairSd, difference, metrics: shifts.length, errorRate: rules.errorRate });
    return {
      metric,
      verdict: within ? "same" : adjustedP <= rules.errorRate ? better : "undecided",
      a: geometricMean(pairs.map(({ a }) => a[metric]!)),
      b: geometricMean(pairs.map(({ b }) => b[metric]!)),
      change,
      interval,
      p,
      adjustedP,
      pairSd,
      pairsNeeded: TOLD_DIFFERENCES.map((difference) => ({ difference, pairs: needed(difference) })),
    };
  });
}
