// Kendall's rank correlation (tau-b, ties accounted for): do two devices order the same layouts the same way?
import type { Rng } from "../../candidates/space.ts";
import { bcaInterval, type Interval } from "./bootstrap.ts";

export interface Agreement {
  /** 1: the same order; 0: none of it shared; -1: reversed. */
  readonly tau: number;
  /** 95% interval over which items happened to be ranked; null below `MIN_ITEMS`. */
  readonly interval: Interval | null;
  readonly n: number;
}

/** Fewer ranked items than this say nothing about an interval. */
const MIN_ITEMS = 5;

type Pair = readonly [number, number];

/** Tau-b of value pairs; null where either side is constant (no order to agree with). */
export function kendallTau(pairs: readonly Pair[]): number | null {
  let [concordant, tiedLeft, tiedRight, total] = [0, 0, 0, 0];
  for (let i = 0; i < pairs.length; i++) {
    for (let j = i + 1; j < pairs.length; j++) {
      const left = Math.sign(pairs[i]![0] - pairs[j]![0]);
      const right = Math.sign(pairs[i]![1] - pairs[j]![1]);
      concordant += left * right;
      if (left === 0) tiedLeft++;
      if (right === 0) tiedRight++;
      total++;
    }
  }
  const scale = Math.sqrt((total - tiedLeft) * (total - tiedRight));
  return scale === 0 ? null : concordant / scale;
}

/**
 * Agreement of two rankings of the same items with its interval; null where there is no order on one side.
 */
export function agreement(pairs: readonly Pair[], rng: Rng): Agreement | null {
  const tau = kendallTau(pairs);
  if (tau === null) return null;
  // A resample that drew one item only has no order: it says as little as the observed value does.
  const statistic = (items: readonly Pair[]): number => kendallTau(items) ?? tau;
  const interval = pairs.length < MIN_ITEMS ? null : bcaInterval(pairs, statistic, rng);
  return { tau, interval, n: pairs.length };
}

/**
 * 95% interval of a tau of `n` items by Fisher's transformation (standard error of Fieller, Hartley and
 * Pearson 1957): at once, where a bootstrap over many pairs of many devices takes seconds. Needs more than
 * four items.
 */
export function tauInterval(tau: number, n: number): Interval {
  const z = Math.atanh(Math.max(-0.9999, Math.min(0.9999, tau)));
  const reach = 1.96 * Math.sqrt(0.437 / (n - 4));
  return { low: Math.tanh(z - reach), high: Math.tanh(z + reach) };
}
