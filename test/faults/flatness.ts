// Judges whether a process's memory is flat: its growth per 1,000 jobs, from samples during work. Caches and
// the first garbage collections lie before the part that counts.
import { summarise } from "../../profilers/statistics/summary.ts";

export interface MemorySample {
  /** Number of jobs begun so far. */
  readonly jobs: number;
  readonly rssBytes: number;
  /** Live objects, on the heap and outside: directly after a collection if the process may request one. */
  readonly liveBytes: number;
}

/**
 * Allowed growth per 1,000 jobs, in bytes. Resident memory also varies with the habits of allocator and
 * collector.
 */
const BOUNDS = { liveBytes: 0.5e6, rssBytes: 4e6 } as const;
type Key = keyof typeof BOUNDS;
export const MEASURES = Object.keys(BOUNDS) as readonly Key[];

/**
 * Returns the allowed growth per 1,000 jobs for a run of this length. In a short run the same noise is a
 * steeper slope. Null where the growth shows nothing.
 */
export function allowed(jobs: number, key: Key): number | null {
  if (key === "rssBytes" && jobs < 1000) return null;
  return BOUNDS[key] * Math.max(1, 2000 / jobs);
}

/**
 * Returns bytes per 1,000 jobs, over the jobs after the first third. For live memory it is the median slope
 * of all pairs of samples (Theil 1950, Sen 1968), which one answer of 17 MB in transit does not move.
 * Resident memory rises and falls by tens of megabytes with the collector, but leaks stay. So its lowest
 * value in the later half is compared with that in the earlier half.
 */
export function growth(samples: readonly MemorySample[], key: Key): number {
  const last = samples.at(-1)?.jobs ?? 0;
  const tail = samples.filter(({ jobs }) => jobs >= last / 3);
  if (key === "rssBytes") {
    const lowest = (late: boolean): number =>
      Math.min(...tail.filter(({ jobs }) => jobs >= (2 * last) / 3 === late).map((sample) => sample[key]));
    return (1000 * (lowest(true) - lowest(false))) / (last / 3);
  }
  const slopes = tail.flatMap((a, i) =>
    tail.slice(i + 1).flatMap((b) => (b.jobs === a.jobs ? [] : [(b[key] - a[key]) / (b.jobs - a.jobs)])),
  );
  return slopes.length === 0 ? 0 : 1000 * summarise(slopes).median;
}
