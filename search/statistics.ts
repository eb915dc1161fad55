// Intervals for comparisons that a search or a study decides by. Distributions over repetitions of a measurement protocol are
// the profilers' affair; here samples are taken as they are.
import { tQuantile } from "../profilers/statistics/student.ts";

export const mean = (samples: readonly number[]): number =>
  samples.reduce((sum, x) => sum + x, 0) / samples.length;

/** Sum of squared deviations from the mean. */
const deviations = (samples: readonly number[]): number => {
  const center = mean(samples);
  return samples.reduce((sum, x) => sum + (x - center) ** 2, 0);
};

export interface PooledSpread {
  readonly sd: number;
  readonly degrees: number;
}

/** One standard deviation for several groups of samples that are taken to vary alike; null where no group has two. */
export function pooledSpread(groups: readonly (readonly number[])[]): PooledSpread | null {
  const several = groups.filter((group) => group.length > 1);
  const degrees = several.reduce((sum, group) => sum + group.length - 1, 0);
  if (degrees === 0) return null;
  return { sd: Math.sqrt(several.reduce((sum, group) => sum + deviations(group), 0) / degrees), degrees };
}

export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Mean of n samples with its 95% interval under a pooled spread; without one the interval is unknown: infinite. */
export function estimate(samples: readonly number[], spread: PooledSpread | null): Estimate {
  const value = mean(samples);
  const half =
    spread === null
      ? Number.POSITIVE_INFINITY
      : (tQuantile(0.975, spread.degrees) * spread.sd) / Math.sqrt(samples.length);
  return { value, low: value - half, high: value + half };
}

/** Ratio of geometric means a / b of positive samples, with its 95% interval (Welch's degrees of freedom on logarithms). */
export function ratioOf(a: readonly number[], b: readonly number[]): Estimate {
  const [x, y] = [a.map(Math.log), b.map(Math.log)];
  const value = Math.exp(mean(x) - mean(y));
  if (a.length < 2 || b.length < 2) return { value, low: 0, high: Number.POSITIVE_INFINITY };
  const [u, v] = [x, y].map((logs) => deviations(logs) / (logs.length - 1) / logs.length) as [number, number];
  if (u + v === 0) return { value, low: value, high: value };
  const degrees = (u + v) ** 2 / (u ** 2 / (a.length - 1) + v ** 2 / (b.length - 1));
  const half = Math.exp(tQuantile(0.975, degrees) * Math.sqrt(u + v));
  return { value, low: value / half, high: value * half };
}
