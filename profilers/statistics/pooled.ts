// Intervals of means by a standard deviation that several groups of samples share. A few seeds of each layout
// together show how much a seed matters.
import { tQuantile } from "./student.ts";
import { mean, squaredDeviations } from "./summary.ts";

export interface PooledSpread {
  readonly sd: number;
  readonly degrees: number;
}

/**
 * Returns one standard deviation for several groups of samples that are assumed to vary alike; null where no
 * group has two samples.
 */
export function pooledSpread(groups: readonly (readonly number[])[]): PooledSpread | null {
  const several = groups.filter((group) => group.length > 1);
  const degrees = several.reduce((sum, group) => sum + group.length - 1, 0);
  if (degrees === 0) return null;
  return {
    sd: Math.sqrt(several.reduce((sum, group) => sum + squaredDeviations(group), 0) / degrees),
    degrees,
  };
}

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Returns the mean of n samples with its 95% interval under a pooled spread. Without a spread the interval is
 * unknown: infinite.
 */
export function estimate(samples: readonly number[], spread: PooledSpread | null): Estimate {
  const value = mean(samples);
  const half =
    spread === null
      ? Number.POSITIVE_INFINITY
      : (tQuantile(0.975, spread.degrees) * spread.sd) / Math.sqrt(samples.length);
  return { value, low: value - half, high: value + half };
}
