// Is a process's memory flat: its growth per 1,000 jobs, from samples taken while it works. Caches and the first garbage collections come
// before the part that counts.
import { summarise } from "../../profilers/statistics/summary.ts";

export interface MemorySample {
  /** Begun so far. */
  readonly jobs: number;
  readonly rssBytes: number;
  /** Live objects, on the heap and beside it: right after a collection where the process may ask for one. */
  readonly liveBytes: number;
}

/** What 1,000 jobs may leave behind. Resident memory also moves with the allocator's and the collector's own habits. */
const BOUNDS = { liveBytes: 0.5e6, rssBytes: 4e6 } as const;
type Key = keyof typeof BOUNDS;
export const MEASURES = Object.keys(BOUNDS) as readonly Key[];

/** What may be left per 1,000 jobs by a run of so many: in a short one the same noise is a steeper slope; null where it says nothing. */
export function allowed(jobs: number, key: Key): number | null {
  if (key === "rssBytes" && jobs < 1000) return null;
  return BOUNDS[key] * Math.max(1, 2000 / jobs);
}

/**
 * Bytes per 1,000 jobs, over the jobs after the first third. Of live memory it is the median slope of all pairs of samples (Theil 1950,
 * Sen 1968), which an answer of 17 MB that is under way in one of them does not move. Resident memory rises and falls by tens of megabytes
 * with the collector; what leaks stays, so its lowest value in the later half is compared with that in the earlier half.
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
