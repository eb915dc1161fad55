// The interval of a share of cases (Wilson 1927, "Probable inference, the law of succession, and statistical inference").
import type { Interval } from "./bootstrap.ts";

/** Returns the 95% interval of the probability behind `hits` of `of` cases; 0 to 1 without cases. */
export function wilson(hits: number, of: number): Interval {
  if (of === 0) return { low: 0, high: 1 };
  const z = 1.959964;
  const share = hits / of;
  const center = share + z ** 2 / (2 * of);
  const half = z * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  const scale = 1 + z ** 2 / of;
  return { low: Math.max(0, (center - half) / scale), high: Math.min(1, (center + half) / scale) };
}
