// Plans the repetitions that every sweep needs to know its errors: a second session and a second seed for
// some layouts, the same seed for all. A single value does not show its error. They are chosen once nothing
// is left to propose. The layouts most likely on the front come first, because conclusions rest on their
// values.
import type { JobKind } from "../store/job-target.ts";
import type { PlannedRepetition } from "../store/repetition-table.ts";
import { IMPORTED_BATCH } from "../store/trial-row.ts";
import { chancesOf, historyOf, pointsOf, unitsOf } from "./estimates.ts";
import { nthOf, sourcesOf } from "./repetition-targets.ts";
import type { SweepFacts } from "./sweep-context.ts";
import { sampledPoint } from "./sweep-settled.ts";

/** For a long sweep, the front and this many of the latest trials are considered. */
const LOOKED_AT = 300;

/**
 * Returns the repetitions that are missing until enough layouts were measured and trained twice. A repetition
 * that was planned before counts, whatever its result.
 */
export function replicatesOf(sweep: SweepFacts): readonly PlannedRepetition[] {
  const { store, sweepId, config, objectives } = sweep;
  const { layouts: wanted } = config.search.replicate;
  if (wanted === 0) return [];
  const front = new Set(store.fronts.of(sweepId, objectives));
  const complete = store.trials
    .all(sweepId)
    .filter(({ state, batch }) => state === "complete" && batch !== IMPORTED_BATCH);
  const latest = new Set(complete.slice(-LOOKED_AT));
  const looked = complete.filter((trial) => front.has(trial.id) || latest.has(trial));
  const points = looked.map((trial) => sampledPoint(store, trial));
  const sources = objectives.map(({ name }) => sourcesOf(name, config));
  const chosen = store.repetitions.all(sweepId);
  const chances = chancesOf(pointsOf(points, objectives, historyOf(store, sweepId)));
  const order = looked.map((_, n) => n).sort((a, b) => chances[b]! - chances[a]! || a - b);
  return (["measure", "train"] as const).flatMap((kind: JobKind) => {
    const names = [...new Set(sources.flatMap((source) => source[kind]))];
    const own = objectives.filter((_, m) => sources[m]![kind].length > 0);
    if (names.length === 0) return [];
    const twice = (n: number): boolean =>
      own.every(({ name }) => unitsOf(points[n]!.metrics[name]!, name) > 1) ||
      chosen.some((one) => one.trialId === looked[n]!.id && one.kind === kind);
    const missing = wanted - order.filter(twice).length;
    return order
      .filter((n) => !twice(n))
      .slice(0, Math.max(0, missing))
      .map((n) => ({
        trialId: looked[n]!.id,
        kind,
        sources: names,
        nth: nthOf(kind, 1, config),
        place: 0,
        worth: { gain: 0, minutes: 0 },
      }));
  });
}
