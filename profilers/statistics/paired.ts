// Paired comparison with a random order within each pair: the shift between the two sides, with an exact test
// and interval.
//
// Under the null hypothesis (both sides are equal) the noise of a pair is "second minus first", whichever
// side was second. The orders of a block were shuffled. Every pattern of orders is therefore equally likely,
// given the number of each order, in the whole block and in any part from its beginning. So the rank-sum test
// between the pairs of either order is exact after any number of pairs, odd ones too, whatever drifts between
// and within pairs. Blocks are strata: their statistics are added.
//
// Differences enter by rank. The estimate is a median (Hodges and Lehmann 1963) over averages of one pair of
// each order, in which a steady drift cancels. The mean was rejected: one governor step inside a pair moves
// it by more than the differences of interest.
import type { Interval } from "./bootstrap.ts";
import { type BlockSize, rankSumCumulative, rankSumSd } from "./rank-sum.ts";
import { strayPairs } from "./stray.ts";
import { quantile } from "./summary.ts";

export interface PairedDifference {
  /** b - a; of logarithms for relative differences. */
  readonly difference: number;
  readonly first: "a" | "b";
  /** Block of pairs whose orders were shuffled together. Absent: block 0. */
  readonly block?: number;
  /** Mean of both sides, by which stray pairs are found and excluded. */
  readonly level?: number;
}

export interface PairedShift {
  readonly estimate: number;
  /**
   * The shifts that the test at 1 - level does not reject. Infinite where too few pairs can exclude anything.
   */
  readonly interval: Interval;
  /** Two-sided p-value of the hypothesis of no difference. */
  readonly p: number;
  /**
   * Standard deviation of a pair's noise: that of normal noise with this spread of ranks. Null without pairs
   * of both orders.
   */
  readonly pairSd: number | null;
}

/**
 * Largest number of pairs that are shuffled together. Counting the patterns of a larger block takes long, and
 * ranks gain nothing from it.
 */
const MAX_BLOCK = 40;

/** The order of a pair, and the block in which it was shuffled. */
interface DrawnOrder {
  readonly first: "a" | "b";
  readonly block: number;
}

/**
 * Returns orders for `pairs` pairs, in blocks with equally many of each as far as possible, shuffled.
 * `below(n)`: a random whole number below n.
 */
export function drawOrders(pairs: number, below: (n: number) => number): readonly DrawnOrder[] {
  const blocks = Math.ceil(pairs / MAX_BLOCK);
  return Array.from({ length: blocks }, (_, block) => {
    const size = Math.floor(((block + 1) * pairs) / blocks) - Math.floor((block * pairs) / blocks);
    const extra = below(2);
    const orders = Array.from({ length: size }, (_, i): "a" | "b" => ((i + extra) % 2 === 0 ? "a" : "b"));
    for (let i = size - 1; i > 0; i--) {
      const j = below(i + 1);
      [orders[i], orders[j]] = [orders[j]!, orders[i]!];
    }
    return orders.map((first) => ({ first, block }));
  }).flat();
}

/**
 * Stray pairs are kept if fewer than this many pairs would remain: too few patterns of orders could then be
 * rare enough.
 */
const LEAST_LEFT = 12;

/** Differences of the pairs of either order in each block that has both, without stray pairs. */
function strata(pairs: readonly PairedDifference[]): readonly (readonly [number[], number[]])[] {
  const seen = strayPairs(pairs.flatMap(({ level }) => level ?? []));
  const stray = pairs.length - seen.size < LEAST_LEFT ? new Set<number>() : seen;
  const blocks = new Map<number, readonly [number[], number[]]>();
  for (const [place, { difference, first, block = 0 }] of pairs.entries()) {
    if (stray.has(place)) continue;
    const values = blocks.get(block) ?? ([[], []] as const);
    blocks.set(block, values);
    values[first === "a" ? 0 : 1].push(difference);
  }
  return [...blocks.values()].filter(([forward, backward]) => forward.length > 0 && backward.length > 0);
}

/**
 * Judges differences of pairs in random order. Pairs of a single order exclude nothing. Throws RangeError
 * without pairs.
 */
export function pairedShift(pairs: readonly PairedDifference[], level = 0.95): PairedShift {
  const blocks = strata(pairs);
  if (blocks.length === 0) {
    const differences = pairs.map(({ difference }) => difference).sort((x, y) => x - y);
    const interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
    return { estimate: quantile(differences, 0.5), interval, p: 1, pairSd: null };
  }
  const averages = blocks
    .flatMap(([forward, backward]) => forward.flatMap((x) => backward.map((y) => (x + y) / 2)))
    .sort((x, y) => x - y);
  const sizes = blocks.map(([forward, backward]): BlockSize => [forward.length, backward.length]);
  const atMost = rankSumCumulative(sizes);

  // U: number of averages above 0, with those at 0 counted half (below, rounding favours "no difference").
  const above = averages.filter((x) => x > 0).length + averages.filter((x) => x === 0).length / 2;
  const p = Math.min(1, 2 * atMost[Math.ceil(Math.min(above, averages.length - above))]!);

  // Shifts with fewer than `cut` averages on one side are rejected.
  const cut = atMost.findIndex((chance) => 2 * chance > 1 - level);
  // With too few pairs for the level, nothing can be excluded.
  const interval =
    cut === 0
      ? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      : { low: averages[cut - 1]!, high: averages[averages.length - cut]! };
  return { estimate: quantile(averages, 0.5), interval, p, pairSd: noiseOf(averages, sizes) };
}

/**
 * Standard deviation of the noise, from the ranks' standard error. The error is half the range of the
 * averages within one standard deviation of U around its mean. It is converted to normal noise: near the
 * centre an average of two pairs has the density 1 / (sqrt(pi) sd).
 */
function noiseOf(averages: readonly number[], sizes: readonly BlockSize[]): number {
  const reach = Math.min(0.5, rankSumSd(sizes) / averages.length);
  const half = (quantile(averages, 0.5 + reach) - quantile(averages, 0.5 - reach)) / 2;
  return half / (reach * Math.sqrt(Math.PI));
}
