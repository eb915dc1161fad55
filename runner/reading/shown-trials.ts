// Which trials a page shows of a sweep that has too many: those that say most, and an even share of the others.
import type { TrialStanding } from "../store/trial-table.ts";
import { publishedIds } from "./report-trials.ts";

/** Trials that a page shows of a sweep that has more: what it draws stays quick, and the file below 8 MB. */
export const PAGE_TRIALS = 5000;
/** The first ones, which hold what the configuration declares, are always among them, */
const ALWAYS_FIRST = 100;
/** and this share of them is the newest; up to twice as many, so that not every new trial pushes out another. */
const NEWEST_SHARE = 0.1;
/** Of all the others, evenly spread, this share. */
const SPREAD_SHARE = 0.7;
/** Layouts that were on the front, the latest. */
const ALWAYS_LEFT = 300;

export interface Wanted {
  readonly atMost: number;
  /** Numbers of the trials on the front, and of those that were on it, earliest first. */
  readonly front: ReadonlySet<number>;
  readonly wasOnFront: readonly number[];
  /** Ids of trials, and of layouts, that are shown whatever else is. */
  readonly always: ReadonlySet<number>;
  readonly declared: ReadonlySet<string>;
}

/** The front, the published, the first and the newest trials, and as many others as fit, evenly spread. */
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
