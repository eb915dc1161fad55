// Summaries of raw samples: medians and quantiles, never means of skewed timings. Callers keep the samples.

export interface Summary {
  readonly n: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly min: number;
  readonly max: number;
  /** Coefficient of variation, sd / mean; 0 for a single sample. */
  readonly cv: number;
}

/** Returns the mean; NaN without values. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Returns the sum of squared deviations from the mean. */
export function squaredDeviations(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0);
}

/**
 * Returns the quantile q in [0, 1] by linear interpolation between order statistics (Hyndman and Fan type 7).
 * Throws RangeError without samples.
 */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) throw new RangeError("quantile of no samples");
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** Returns the summary of raw samples, in their unit. Throws RangeError without samples. */
export function summarise(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const center = mean(sorted);
  const variance = squaredDeviations(sorted) / Math.max(1, sorted.length - 1);
  return {
    n: sorted.length,
    median: quantile(sorted, 0.5),
    p10: quantile(sorted, 0.1),
    p90: quantile(sorted, 0.9),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
    cv: center === 0 ? 0 : Math.sqrt(variance) / center,
  };
}
