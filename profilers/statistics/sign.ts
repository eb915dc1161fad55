// Paired values without a random order: the sign test, and the interval of the median that it does not
// reject. Exact for any continuous distribution (Hollander, Wolfe and Chicken, Nonparametric Statistical
// Methods, sections 3.4 to 3.6). A BCa interval of the median was rejected: for few values with heavy tails
// it misses the true median several times as often as stated.
import { binomialCdf } from "./binomial.ts";
import type { Interval } from "./bootstrap.ts";
import { quantile } from "./summary.ts";

export interface MedianShift {
  readonly median: number;
  /** Interval of the median; infinite where there are too few values for the level. */
  readonly interval: Interval;
  /** Two-sided p-value of a median of 0. Values of exactly 0 are excluded. */
  readonly p: number;
}

/** Returns the median's shift from 0. Throws RangeError without values. */
export function medianShift(values: readonly number[], level = 0.95): MedianShift {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const median = quantile(sorted, 0.5);
  const above = sorted.filter((value) => value > 0).length;
  const below = sorted.filter((value) => value < 0).length;
  const p = Math.min(1, 2 * binomialCdf(Math.min(above, below), above + below, 0.5));
  let cut = 0;
  while (2 * binomialCdf(cut, n, 0.5) <= 1 - level) cut++;
  const interval =
    cut === 0
      ? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      : { low: sorted[cut - 1]!, high: sorted[n - cut]! };
  return { median, interval, p };
}
