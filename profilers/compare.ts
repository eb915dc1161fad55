// Do two layouts differ on a device? Interleaved pairs of fresh runs, the order within each pair drawn, judged by an exact sign-flip
// test, its interval and a least effect. Where a run happens, and what voids it, is its source's affair.
//
// Blocked measurements (A..A, then B..B) were rejected: under a throttling curve nearly every comparison of a layout with itself then
// "differs" (npm run bench:compare shows it).
import type { Rng } from "../candidates/space.ts";
import type { Interval } from "./statistics/bootstrap.ts";
import { drawOrders, holm, type PairedDifference, pairedShift, strayPairs } from "./statistics/paired.ts";

export type Side = "a" | "b";
type Values = Readonly<Record<string, number>>;

/** Metrics of one run of one side, in a fresh process; null: the run is void (throttled, moved, swapped ...) and its pair with it. */
export type RunSide = (side: Side, pair: number) => Promise<Values | null>;

/** Waits until the device is at rest, as it was before the other pairs; false: it does not come to rest. */
export type AwaitRest = () => Promise<boolean>;

export interface CompareRules {
  /** Valid pairs to judge by. */
  readonly pairs: number;
  /** Largest chance that a comparison of identical layouts finds any difference, over all its metrics together. */
  readonly errorRate: number;
  /** Smallest relative difference that counts. */
  readonly effect: number;
  /** Pairs that are run again, for being void or stray; more void ones end the comparison. */
  readonly maxRepeats: number;
}
export const compareDefaults: CompareRules = { pairs: 20, errorRate: 0.05, effect: 0.02, maxRepeats: 10 };

export interface ComparedPair {
  readonly first: Side;
  readonly a: Values;
  readonly b: Values;
}

/** `same`: the interval lies within the effect that counts; `undecided`: more pairs may tell. */
export type Verdict = "a-better" | "b-better" | "same" | "undecided";

export interface MetricComparison {
  readonly metric: string;
  readonly verdict: Verdict;
  /** Geometric means over the pairs. */
  readonly a: number;
  readonly b: number;
  /** b / a - 1 by the median of paired log-ratios, and its 95% interval. */
  readonly change: number;
  readonly interval: Interval;
  /** Of the sign-flip test, and adjusted for the other metrics judged with it (Holm). */
  readonly p: number;
  readonly adjustedP: number;
}

/** With fewer pairs not even the most extreme of all sign flips is rare enough, once adjusted for a handful of metrics. */
export const MIN_PAIRS = 10;

export interface RunPairs {
  readonly pairs: readonly ComparedPair[];
  /** Stray pairs that others took the place of: kept to be looked at. */
  readonly replaced: readonly ComparedPair[];
  readonly voided: number;
}

const logRatio = ({ first, a, b }: ComparedPair, metric: string): PairedDifference => ({
  first,
  difference: Math.log(b[metric]! / a[metric]!),
});

/** Places of pairs that are stray in any metric. */
function strays(pairs: readonly ComparedPair[]): readonly number[] {
  const metrics = Object.keys(pairs[0]?.a ?? {});
  return [...new Set(metrics.flatMap((metric) => strayPairs(pairs.map((pair) => logRatio(pair, metric)))))];
}

/** Runs pairs until enough are valid; stray ones are run again, in the order they had. Null when too many were void. */
export async function runPairs(
  run: RunSide,
  rules: CompareRules,
  rng: Rng,
  onPair: (done: number, repeats: number) => void = () => {},
  atRest: AwaitRest = async () => true,
): Promise<RunPairs | null> {
  const pairs: ComparedPair[] = [];
  const replaced: ComparedPair[] = [];
  let voided = 0;
  const measure = async (first: Side, place: number): Promise<ComparedPair | null> => {
    while (voided + replaced.length <= rules.maxRepeats) {
      const one = (await atRest()) ? await run(first, place) : null;
      const other = one && (await run(first === "a" ? "b" : "a", place));
      if (one !== null && other !== null)
        return first === "a" ? { first, a: one, b: other } : { first, a: other, b: one };
      voided++;
      onPair(pairs.length, voided + replaced.length);
    }
    return null;
  };
  for (const first of drawOrders(rules.pairs, (n) => rng.below(n))) {
    const pair = await measure(first, pairs.length);
    if (pair === null) return null;
    pairs.push(pair);
    onPair(pairs.length, voided + replaced.length);
  }
  for (let [place] = strays(pairs); place !== undefined; [place] = strays(pairs)) {
    const pair =
      voided + replaced.length < rules.maxRepeats ? await measure(pairs[place]!.first, place) : null;
    // What is still stray is left out of the judgement.
    if (pair === null) break;
    replaced.push(pairs[place]!);
    pairs[place] = pair;
    onPair(pairs.length, voided + replaced.length);
  }
  return { pairs, replaced, voided };
}

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length);

/** Judges every metric of `directions` (which way is better); its values must be positive. */
export function judgePairs(
  pairs: readonly ComparedPair[],
  directions: Readonly<Record<string, "min" | "max">>,
  rules: CompareRules,
): readonly MetricComparison[] {
  const shifts = Object.entries(directions).map(([metric, direction]) => {
    const differences = pairs.map((pair) => logRatio(pair, metric));
    const out = new Set(strayPairs(differences));
    return { metric, direction, shift: pairedShift(differences.filter((_, place) => !out.has(place))) };
  });
  const adjusted = holm(shifts.map(({ shift }) => shift.p));
  return shifts.map(({ metric, direction, shift }, index) => {
    const change = Math.expm1(shift.estimate);
    const interval = { low: Math.expm1(shift.interval.low), high: Math.expm1(shift.interval.high) };
    const adjustedP = adjusted[index]!;
    const apart = interval.low > 0 || interval.high < 0;
    const differs = adjustedP <= rules.errorRate && apart && Math.abs(change) >= rules.effect;
    const within = Math.max(Math.abs(interval.low), Math.abs(interval.high)) < rules.effect;
    const better = change > 0 === (direction === "max") ? "b-better" : "a-better";
    return {
      metric,
      verdict: differs ? better : within ? "same" : "undecided",
      a: geometricMean(pairs.map(({ a }) => a[metric]!)),
      b: geometricMean(pairs.map(({ b }) => b[metric]!)),
      change,
      interval,
      p: shift.p,
      adjustedP,
    };
  });
}
