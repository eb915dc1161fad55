// Rows of the fault matrix: a layout that makes its own job fail. The device is not at fault.
import { expect } from "vitest";
import { faultsOf, left, query } from "../farm.ts";
import { type FaultMatrix, TRIALS } from "../matrix.ts";

export function candidateRows({ calm, calmPath, expectCalm, row, run }: FaultMatrix): void {
  row("SIGILL in a job, once", "tried once more, then kept", async (place) => {
    place.a.script({ jobs: { 2: "crash" } });
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
  for (const [how, state, cause, tries] of [
    ["crash", "failed", "crashed", 2],
    ["wrong-output", "failed", "invalid-measurement", 2],
    ["out-of-memory", "infeasible", "out-of-memory", 1],
    ["kill", "failed", "transport-lost", 3],
  ] as const) {
    row(`candidate: ${how} every time`, `${state} after ${tries}; the others unharmed`, async (place) => {
      const [victim] = query<{ parameters: number; number: number }>(
        calmPath(),
        `SELECT c.parameters, max(t.number) AS number FROM trials t JOIN candidates c ON c.id = t.candidate_id
         GROUP BY c.parameters HAVING count(*) = 1 ORDER BY t.number`,
      );
      const others = (rows: unknown[]) =>
        rows.filter((each) => (each as { number: number }).number !== victim!.number);
      place.a.script({ parameters: { [victim!.parameters]: how } });
      await run(place);
      const now = left(place.db);
      const expected = calm("a");
      expect(now.trials[victim!.number]).toMatchObject({ state, cause });
      expect(others(now.trials)).toEqual(others(expected.trials));
      expect(now.measurements).toEqual(others(expected.measurements));
      expect(place.a.jobs()).toBe(TRIALS - 1 + tries);
      expect(faultsOf(place.db, "a")).toHaveLength(how === "kill" ? 3 : 0);
    });
  }
}
