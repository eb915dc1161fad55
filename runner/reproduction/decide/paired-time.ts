// Judges times of two layouts from interleaved pairs: is b slower than a by more than the margin? Uses the
// exact test of profilers/compare.ts on times reduced by the margin. The only place of the study that knows
// how pairs are judged.
import { type ComparedPair, compareDefaults, judgePairs } from "../../../profilers/compare.ts";
import { type Evidence, none } from "../../../profilers/statistics/evidence.ts";
import { below, differenceOf, type Look, now } from "../../../profilers/statistics/margin.ts";
import { MATTERS } from "./margins.ts";

/** The fewest pairs of a comparison: fewer show nothing if several comparisons are judged together. */
export const LEAST_PAIRS = 10;

const DIRECTION = "min" as const;

/** Returns b / a - 1 with its 95% interval; null for too few pairs. */
export function changeOf(
  pairs: readonly ComparedPair[],
  metric: string,
): { readonly change: number; readonly low: number; readonly high: number } | null {
  if (!enough(pairs)) return null;
  const [judged] = judgePairs(pairs, { [metric]: DIRECTION }, compareDefaults);
  return { change: judged!.change, ...judged!.interval };
}

/** Whether there are enough pairs, in both orders. */
const enough = (pairs: readonly ComparedPair[]): boolean =>
  pairs.length >= LEAST_PAIRS && new Set(pairs.map(({ first }) => first)).size === 2;

/** Returns evidence that b takes less than (1 + `bound`) times a's time. */
export function fasterThan(
  pairs: readonly ComparedPair[],
  metric: string,
  bound: number,
  look: Look = now,
): Evidence {
  if (look.more !== 1) {
    const logs = pairs.map(({ a, b }) => Math.log(b[metric]! / a[metric]!));
    return below(differenceOf(logs), Math.log1p(bound), look);
  }
  if (!enough(pairs)) return none;
  const shifted = pairs.map((pair) => ({
    ...pair,
    b: { ...pair.b, [metric]: pair.b[metric]! / (1 + bound) },
  }));
  const [judged] = judgePairs(shifted, { [metric]: DIRECTION }, compareDefaults);
  const { p, change } = judged!;
  const [ahead, behind] = [p / 2, Math.min(1, 1 - p / 2)];
  return change < 0 ? { pTrue: ahead, pFalse: behind } : { pTrue: behind, pFalse: ahead };
}

/** Returns evidence that b takes longer than a by more than MATTERS. */
export function slower(pairs: readonly ComparedPair[], metric: string, look: Look = now): Evidence {
  const { pTrue, pFalse } = fasterThan(pairs, metric, MATTERS, look);
  return { pTrue: pFalse, pFalse: pTrue };
}
