// Kendall's rank correlation (tau-b, which accounts for ties): do two devices put the same layouts in the
// same order?
import type { Rng } from "../../candidates/space.ts";
import { bcaInterval, type Interval } from "./bootstrap.ts";

export interface Agreement {
  /** 1: the same order; 0: no association; -1: the reversed order. */
  readonly tau: number;
  /** 95% interval, with the ranked items as a sample; null below `MIN_ITEMS`. */
  readonly interval: Interval | null;
  readonly n: number;
}

/** With fewer ranked items an interval is not informative. */
const MIN_ITEMS = 5;

type Pair = readonly [number, number];

/**
 * Returns tau-b of value pairs; null where either side is constant, because there is no order to agree with.
 */
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
 * Returns the agreement of two rankings of the same items, with its interval; null where one side has no
 * order.
 */
export function agreement(pairs: readonly Pair[], rng: Rng): Agreement | null {
  const tau = kendallTau(pairs);
  if (tau === null) return null;
  // A resample of one repeated item has no order. It counts with the observed value.
  const statistic = (items: readonly Pair[]): number => kendallTau(items) ?? tau;
  const interval = pairs.length < MIN_ITEMS ? null : bcaInterval(pairs, statistic, rng);
  return { tau, interval, n: pairs.length };
}

/**
 * Returns the 95% interval of a tau of `n` items by Fisher's transformation (standard error of Fieller,
 * Hartley and Pearson 1957). Immediate, where a bootstrap over many pairs of many devices takes seconds.
 * Needs more than four items.
 */
export function tauInterval(tau: number, n: number): Interval {
  const z = Math.atanh(Math.max(-0.9999, Math.min(0.9999, tau)));
  const reach = 1.96 * Math.sqrt(0.437 / (n - 4));
  return { low: Math.tanh(z - reach), high: Math.tanh(z + reach) };
}
