// Rows of the fault matrix: the coordinator is killed, stopped, loses its lease, or is not alone.
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { PACKAGE_ROOT } from "../../../runner/base/version.ts";
import { LeaseTable } from "../../../runner/store/lease-table.ts";
import { Store } from "../../../runner/store/store.ts";
import { until } from "../../support/agents.ts";
import { agentsOf, eventsOf, type FarmSweep, faultsOf, QUICK, query } from "../farm.ts";
import { type FaultMatrix, type Place, TRIALS } from "../matrix.ts";

type Ended = ReturnType<FaultMatrix["coordinate"]>["ended"];

/** Starts a process that stays in the middle of a write. */
async function holdDatabase(path: string): Promise<ChildProcess> {
  const program =
    "const db = new (require('better-sqlite3'))(process.argv[1], { timeout: 10000 });" +
    "db.exec('BEGIN IMMEDIATE'); console.log('held'); setInterval(() => {}, 1000);";
  const child = spawn(process.execPath, ["-e", program, path], {
    cwd: PACKAGE_ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return child;
}

export function coordinatorRows({ atJob, coordinate, expectCalm, row, run }: FaultMatrix): void {
  row("coordinator killed -9, four times", "resume continues; nothing lost or doubled", async (place) => {
    place.a.script({ jobMs: 60 });
    let kills = 0;
    for (let done = false; !done; ) {
      const { child, ended, said } = coordinate(place, { resume: kills > 0 });
      if (kills < 4) {
        void until("it measures", () => said().includes("measuring"), 60_000)
          .then(() => sleep(20 + 70 * kills))
          .then(() => child.kill("SIGKILL"))
          .catch(() => {});
      }
      const end = await ended;
      if (end.code === null) kills++;
      else {
        expect(end).toMatchObject({ code: 0 });
        done = true;
      }
    }
    expect(kills).toBe(4);
    expectCalm(place);
    await until("no agent is left", () => agentsOf(place.a).length === 0);
  });
  row("lease stolen while a job runs", "stale result rejected by its token, run again", async (place) => {
    place.a.script({ jobs: { 2: "late" } });
    let stolen = 0;
    await run(place, {
      // The holder does not check its lease while the job runs, so only the fencing token reveals the loss.
      farm: { leases: { ...QUICK.leases, renewMs: 60_000 } },
      listen: atJob(2, () => {
        const thief = Store.open(place.db);
        const token = thief.leases.seize(thief.leases.find("a")!);
        expect(token).not.toBeNull();
        stolen++;
        thief.leases.release({ device: "a", token: token! });
        thief.close();
      }),
    });
    expectCalm(place);
    expect(stolen).toBe(1);
    expect(place.a.jobs()).toBe(TRIALS + 1);
    expect(eventsOf(place.db, "fault")).toEqual([{ device: "a", cause: "lease-lost" }]);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
  row(
    "coordinator stopped beyond its lease",
    "another takes the device; the stale result is refused",
    async (place) => {
      place.a.script({ jobs: { 2: "late" } });
      const { child, ended, said } = coordinate(place, {});
      await until("its second job runs", () => place.a.jobs() === 2 && said().includes("measuring"), 60_000);
      await sleep(500); // a process stopped during a write would lock the whole database
      child.kill("SIGSTOP");
      const other = Store.open(place.db);
      const seen = other.leases.find("a")!;
      expect(LeaseTable.abandoned(seen)).toBe(false);
      await run(place, { name: "second", trials: 2 });
      other.close();
      child.kill("SIGCONT");
      expect(await ended).toMatchObject({ code: 0 });
      expectCalm(place);
      expect(eventsOf(place.db, "fault").map(({ cause }) => cause)).toContain("lease-lost");
    },
  );
  /** A coordinator that measures while another process is stopped in the middle of a write. */
  const whileHeld = async (
    place: Place,
    sweep: Partial<FarmSweep>,
    test: (ended: Ended) => Promise<void>,
  ) => {
    // Long enough that the sweep is not over before the database is locked.
    place.a.script({ jobMs: 500 });
    const { ended, said } = coordinate(place, sweep);
    await until("it measures", () => said().includes("measuring"), 60_000);
    const holder = await holdDatabase(place.db);
    try {
      holder.kill("SIGSTOP");
      await test(ended);
    } finally {
      holder.kill("SIGKILL");
    }
    return ended;
  };
  row("coordinator stopped inside a write", "another waits until it goes on", async (place) => {
    const end = await whileHeld(place, {}, async () => void (await sleep(2000)));
    expect(end).toMatchObject({ code: 0 });
    expectCalm(place);
  });
  row(
    "coordinator stopped inside a write, for good",
    "one clear line; resumes once it is gone",
    async (place) => {
      const end = await whileHeld(place, { busyMs: 1000 }, async (ended) => void (await ended));
      expect(end.code).toBe(1);
      expect(end.said).toMatch(/keeps the database locked: it was stopped.*--resume/);
      await run(place, { resume: true });
      expectCalm(place);
    },
  );
  row("two coordinators, one database, one device", "take turns; both end as alone", async (place) => {
    place.a.script({ jobMs: 30 });
    const both = [coordinate(place, {}), coordinate(place, { name: "second" })];
    for (const { ended } of both) expect(await ended).toMatchObject({ code: 0 });
    expectCalm(place);
    expectCalm(place, "a", "second");
    expect(place.a.jobs()).toBe(2 * TRIALS);
    // One job at a time: the jobs' own times do not overlap.
    const spans = query<{ started_at: string; finished_at: string }>(
      place.db,
      "SELECT started_at, finished_at FROM jobs ORDER BY started_at",
    );
    for (const [i, { started_at }] of spans.entries())
      if (i > 0)
        expect(Date.parse(started_at)).toBeGreaterThanOrEqual(Date.parse(spans[i - 1]!.finished_at) - 25);
  });
  row("wall clock jumps by days", "nothing changes: durations are monotonic", async (place) => {
    place.a.script({ jobMs: 60, jobs: { 3: "exit" } });
    const day = 86_400_000;
    const { ended } = coordinate(place, {}, [2 * day, -3 * day, 0, 30 * day, -day]);
    expect(await ended).toMatchObject({ code: 0 });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });
}
