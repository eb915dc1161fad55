// Rows of the fault matrix: a device that throttles. Its measurements meanwhile are void. It cools down, and
// its faults do not count as device faults.
import { expect } from "vitest";
import { eventsOf, faultsOf, left, query } from "../farm.ts";
import type { FaultMatrix } from "../matrix.ts";

/**
 * Guarded by readiness and calibration runs, checked faster than in reality. A void window is not repeated
 * automatically.
 */
const PROTOCOL = "{ retries: 0, readiness: { pollSeconds: 0.02, deadlineSeconds: 0.1 } }";

/** The measurements with these numbers take a fifth longer. */
const slowFrom = (first: number, last: number): Record<number, number> =>
  Object.fromEntries(Array.from({ length: last - first + 1 }, (_, i) => [first + i, 1.2]));

const causes = (db: string, kind: string): (string | null)[] => [
  ...new Set(eventsOf(db, kind).map(({ cause }) => cause)),
];

export function throttledRows({ row, run, calm }: FaultMatrix): void {
  row("throttled for a while", "block void, cools down, retried; no fault of the device", async (place) => {
    // The baseline, the calibration run and up to four candidates come before the calibration run that
    // drifts.
    place.a.script({ slowdowns: slowFrom(4, 9) });
    await run(place, { protocol: PROTOCOL });
    const { trials, jobs, metrics } = left(place.db);
    expect({ trials, jobs, metrics }).toEqual({
      trials: calm("a").trials,
      jobs: calm("a").jobs,
      metrics: calm("a").metrics,
    });
    for (const kind of ["window-void", "cooling", "fault"])
      expect(causes(place.db, kind)).toEqual(["throttled"]);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
  row("throttled for good", "deferred after 3, then measured as it is, marked", async (place) => {
    place.a.script({ slowdowns: slowFrom(4, 500) });
    await run(place, { protocol: PROTOCOL, farm: { timing: { pauseScale: 0.005 } } });
    expect(left(place.db).trials).toEqual(calm("a").trials);
    expect(eventsOf(place.db, "deferred").length).toBe(calm("a").trials.length);
    expect(causes(place.db, "deferred")).toEqual(["throttled"]);
    const flags = query<{ request: string }>(place.db, "SELECT request FROM measurements").map(
      ({ request }) => JSON.parse(request).conduct.flags as string[],
    );
    for (const each of flags) expect(each).toEqual(["not-ready"]);
    expect(query(place.db, "SELECT DISTINCT stable FROM metrics WHERE name LIKE 'decode%:a'")).toEqual([
      { stable: 0 },
    ]);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
}
