// Intervals by resampling: bias-corrected and accelerated (BCa; Efron 1987, "Better Bootstrap Confidence
// Intervals"). The percentile bootstrap was rejected: on few and skewed timings its coverage is lower than
// stated.
import type { Rng } from "../../candidates/space.ts";
import { normalCdf7, normalQuantile } from "./normal.ts";
import { mean, quantile, squaredDeviations } from "./summary.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Probability that the interval contains the true value. Default 0.95. */
  readonly level?: number;
  readonly resamples?: number;
}

/** Values of the statistic with each item left out in turn. */
const jackknife = <T>(items: readonly T[], statistic: (items: readonly T[]) => number): number[] =>
  items.map((_, left) => statistic(items.filter((_item, index) => index !== left)));

/**
 * Returns the BCa interval of `statistic` over `items` (independent draws of one population; a pair is one
 * item). Null for fewer than two items: there is nothing to resample. Where every resample gives the same
 * value, the interval is that value.
 */
export function bcaInterval<T>(
  items: readonly T[],
  statistic: (items: readonly T[]) => number,
  rng: Rng,
  { level = 0.95, resamples = 2000 }: BootstrapOptions = {},
): Interval | null {
  const n = items.length;
  if (n < 2) return null;
  const observed = statistic(items);
  const values = new Array<number>(resamples);
  const drawn = [...items];
  for (let b = 0; b < resamples; b++) {
    for (let i = 0; i < n; i++) drawn[i] = items[rng.below(n)]!;
    values[b] = statistic(drawn);
  }
  values.sort((a, b) => a - b);
  if (values[0] === values.at(-1)) return { low: values[0]!, high: values[0]! };

  // Bias: rank of the observed value among the resampled ones. Ties count half.
  const below = values.filter((value) => value < observed).length;
  const ties = values.filter((value) => value === observed).length;
  const rank = (below + ties / 2) / resamples;
  const bias = normalQuantile(Math.min(Math.max(rank, 0.5 / resamples), 1 - 0.5 / resamples));

  // Acceleration: skewness of the jackknife.
  const left = jackknife(items, statistic);
  const center = mean(left);
  const square = squaredDeviations(left);
  const cube = left.reduce((sum, value) => sum + (center - value) ** 3, 0);
  const acceleration = square === 0 ? 0 : cube / (6 * square ** 1.5);

  const end = (p: number): number => {
    const z = bias + normalQuantile(p);
    return quantile(values, normalCdf7(bias + z / (1 - acceleration * z)));
  };
  return { low: end((1 - level) / 2), high: end((1 + level) / 2) };
}
