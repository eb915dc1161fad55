// Selects the trials that a page shows of a sweep with too many: the most informative ones, and an even share
// of the others.
import type { TrialStanding } from "../store/trial-table.ts";
import { publishedIds } from "./report-trials.ts";

/** The most trials on a page: it draws quickly, and the file stays below 8 MB. */
export const PAGE_TRIALS = 5000;
/** Number of first trials that are always shown; they include the declared ones. */
const ALWAYS_FIRST = 100;
/** Share of the newest trials. Up to twice as many are shown, so that not every new trial removes another. */
const NEWEST_SHARE = 0.1;
/** Share of evenly spread other trials. */
const SPREAD_SHARE = 0.7;
/** Number of the latest trials that left the front. */
const ALWAYS_LEFT = 300;

export interface Wanted {
  readonly atMost: number;
  /** Numbers of the trials on the front, and of those that were on it, earliest first. */
  readonly front: ReadonlySet<number>;
  readonly wasOnFront: readonly number[];
  /** Ids of trials, and of layouts, that are always shown. */
  readonly always: ReadonlySet<number>;
  readonly declared: ReadonlySet<string>;
}

/**
 * Returns the front, published layouts, the first and the newest trials, and as many evenly spread others as
 * fit.
 */
export function shownTrials(
  all: readonly TrialStanding[],
  { atMost, front, wasOnFront, always, declared }: Wanted,
): readonly TrialStanding[] {
  const spread = 2 ** Math.ceil(Math.log2(all.length / (atMost * SPREAD_SHARE)));
  const newest = Math.max(1, Math.floor(atMost * NEWEST_SHARE));
  const newestFrom = (Math.floor(all.length / newest) - 1) * newest;
  const was = new Set(wasOnFront.slice(-ALWAYS_LEFT));
  return all.filter(
    ({ id, number, candidateId, state }, index) =>
      front.has(number) ||
      was.has(number) ||
      always.has(id) ||
      publishedIds.has(candidateId) ||
      declared.has(candidateId) ||
      state === "proposed" ||
      number % spread === 0 ||
      index < ALWAYS_FIRST ||
      index >= newestFrom,
  );
}
