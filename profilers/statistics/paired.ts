// Paired comparison whose order within each pair was drawn: how far apart the two sides are, with an exact test and interval.
//
// Under the null hypothesis (both sides are the same thing) exchanging the labels within a pair, which flips the sign of its difference,
// changes nothing. As the order was drawn with as many pairs of either order, the test goes over exactly those sign flips: it holds its
// level whatever drifts between and within pairs. Differences enter by rank, and the estimate is a median (Hodges and Lehmann 1963)
// over averages of one pair of each order, in which a steady drift cancels. The mean was rejected: one governor step that falls
// inside a pair moves it by more than the differences looked for.
import type { Interval } from "./bootstrap.ts";
import { summarise } from "./summary.ts";

export interface PairedDifference {
  /** b - a, of logarithms for relative differences. */
  readonly difference: number;
  readonly first: "a" | "b";
}

export interface PairedShift {
  readonly estimate: number;
  /** The shifts that the test at 1 - level does not reject. */
  readonly interval: Interval;
  /** Two-sided, of no difference at all. */
  readonly p: number;
}

/**
 * `counts[u]`: in how many of the C(n + m, n) label patterns the rank-sum statistic U is u. Mann and Whitney 1947: the largest of n + m
 * values is of the first kind (it beats all m) or of the second.
 */
export function rankSumCounts(n: number, m: number): readonly number[] {
  let rows = Array.from({ length: m + 1 }, () => [1]);
  for (let i = 1; i <= n; i++) {
    const next: number[][] = [[1]];
    for (let j = 1; j <= m; j++) {
      const counts = new Array<number>(i * j + 1).fill(0);
      for (const [u, count] of rows[j]!.entries()) counts[u + j]! += count;
      for (const [u, count] of next[j - 1]!.entries()) counts[u]! += count;
      next.push(counts);
    }
    rows = next;
  }
  return rows[m]!;
}

/** Orders for `pairs` pairs, as many of each as possible, in random order. `below(n)`: a random whole number below n. */
export function drawOrders(pairs: number, below: (n: number) => number): readonly ("a" | "b")[] {
  const extra = below(2);
  const orders = Array.from({ length: pairs }, (_, i): "a" | "b" => ((i + extra) % 2 === 0 ? "a" : "b"));
  for (let i = pairs - 1; i > 0; i--) {
    const j = below(i + 1);
    [orders[i], orders[j]] = [orders[j]!, orders[i]!];
  }
  return orders;
}

/** Robust standard deviations off the rest at which a pair counts as stray. */
const STRAY = 3.5;
/** Relative step that counts as stray although the rest varies so much that it would not, unless it varies by half of it. */
const STEP = 0.12;

/** The shortest interval that holds more than half of the values: neither end is moved by a few that lie elsewhere. */
function shortestHalf(values: readonly number[]): { readonly centre: number; readonly length: number } {
  const sorted = [...values].sort((x, y) => x - y);
  const held = Math.floor(sorted.length / 2) + 1;
  const starts = sorted.slice(0, sorted.length - held + 1);
  const lengths = starts.map((start, i) => sorted[i + held - 1]! - start);
  const length = Math.min(...lengths);
  return { centre: starts[lengths.indexOf(length)]! + length / 2, length };
}

/**
 * Indices of pairs with something between their two runs that the others do not have (a governor step, another process). Looks at
 * "second minus first" only, not at which side that was, so that leaving them out keeps the test exact. Centre and spread are those
 * of the shortest half (Rousseeuw and Leroy 1987, with their correction for few values): a device that recovers every few runs
 * spoils a third of the pairs, all to the same side, which moves a median and swells a median deviation.
 */
export function strayPairs(pairs: readonly PairedDifference[]): readonly number[] {
  const later = pairs.map(({ difference, first }) => (first === "a" ? difference : -difference));
  if (later.length < 3) return [];
  const { centre, length } = shortestHalf(later);
  const sd = (MAD_TO_SD * (1 + 5 / (later.length - 1)) * length) / 2;
  const limit = Math.min(STRAY * sd, Math.max(STEP, 2 * sd));
  return limit === 0
    ? []
    : later.flatMap((value, index) => (Math.abs(value - centre) > limit ? [index] : []));
}
/** Of a normal distribution: standard deviation over median absolute deviation. */
export const MAD_TO_SD = 1.4826;

/** Judges differences of pairs in both orders. Throws RangeError where one order is missing. */
export function pairedShift(pairs: readonly PairedDifference[], level = 0.95): PairedShift {
  const of = (side: "a" | "b"): number[] =>
    pairs.filter(({ first }) => first === side).map(({ difference }) => difference);
  const [forward, backward] = [of("a"), of("b")];
  if (forward.length === 0 || backward.length === 0) throw new RangeError("need pairs of both orders");
  const averages = forward.flatMap((x) => backward.map((y) => (x + y) / 2)).sort((x, y) => x - y);
  const counts = rankSumCounts(forward.length, backward.length);
  const patterns = counts.reduce((sum, count) => sum + count, 0);
  const atMost = (u: number): number =>
    counts.slice(0, Math.floor(u) + 1).reduce((sum, count) => sum + count, 0) / patterns;

  // U: averages above 0, those at 0 counted half (rounded towards "no difference" below).
  const above = averages.filter((x) => x > 0).length + averages.filter((x) => x === 0).length / 2;
  const p = Math.min(1, 2 * atMost(Math.ceil(Math.min(above, averages.length - above))));

  // Shifts with fewer than `cut` averages on one side are rejected.
  let cut = 0;
  while (2 * atMost(cut) <= 1 - level) cut++;
  // With too few pairs for the level nothing can be excluded.
  const interval =
    cut === 0
      ? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      : { low: averages[cut - 1]!, high: averages[averages.length - cut]! };
  return { estimate: summarise(averages).median, interval, p };
}

/** Holm's step-down adjustment: reject where the adjusted p is at most alpha, and at most alpha of all families hold a false rejection. */
export function holm(pValues: readonly number[]): readonly number[] {
  const order = pValues.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(pValues.length);
  let highest = 0;
  for (const [rank, { p, index }] of order.entries()) {
    highest = Math.max(highest, Math.min(1, p * (pValues.length - rank)));
    adjusted[index] = highest;
  }
  return adjusted;
}
