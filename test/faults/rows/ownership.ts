// Rows of the fault matrix: ownership of a sweep and turns on a device, when coordinators cannot see each
// other, are stopped, or wait.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { SweepEvent } from "../../../runner/farm/events.ts";
import { childrenOf, planOf, until } from "../../support/agents.ts";
import { eventsOf, faultsOf, QUICK, query } from "../farm.ts";
import { type FaultMatrix, REAL, TRIALS } from "../matrix.ts";

/** Its processes are invisible from here, and ours from there. */
const CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const LONGER_THAN_SILENCE_MS = 1.5 * QUICK.leases!.ttlMs!;

export function ownershipRows({ coordinate, expectCalm, real, row, run }: FaultMatrix): void {
  const begun = ({ said }: ReturnType<FaultMatrix["coordinate"]>) =>
    until("it measures", () => said().includes("measuring"), 60_000);
  if (process.geteuid?.() === 0) {
    row(
      "resumed beside a coordinator in a container",
      "refused; the running one is not disturbed",
      async (place) => {
        place.a.script({ jobMs: 1000 });
        const first = coordinate(place, {}, undefined, CONTAINER);
        await begun(first);
        await expect(run(place, { resume: true })).rejects.toMatchObject({ code: "sweep-running" });
        expect(await first.ended).toMatchObject({ code: 0 });
        expectCalm(place);
        expect(place.a.jobs()).toBe(TRIALS);
        expect(eventsOf(place.db, "fault")).toEqual([]);
      },
    );
    row("coordinator in a container killed", "another goes on after its silence", async (place) => {
      place.a.script({ jobMs: 300 });
      const first = coordinate(place, {}, undefined, CONTAINER);
      await begun(first);
      first.child.kill("SIGKILL");
      await first.ended;
      const waits: string[] = [];
      const listen = (event: SweepEvent) => event.kind === "waiting" && waits.push(event.text);
      await run(place, { resume: true, listen });
      expect(waits[0]).toMatch(/cannot be checked from here .*waiting up to 2 s/);
      expectCalm(place);
    });
  }
  row(
    "coordinator stopped, another resumes its sweep",
    "taken over after its silence; the stopped one ends",
    async (place) => {
      place.a.script({ jobs: { 2: "late" } });
      const { child, ended, said } = coordinate(place, {});
      await until("its second job runs", () => place.a.jobs() === 2 && said().includes("measuring"), 60_000);
      await sleep(500); // a process stopped during a write would lock the whole database
      child.kill("SIGSTOP");
      await sleep(LONGER_THAN_SILENCE_MS);
      await run(place, { resume: true });
      child.kill("SIGCONT");
      const end = await ended;
      expect(end.code).toBe(1);
      expect(end.said).toMatch(/was taken over by another process while this one was stopped/);
      expectCalm(place);
      expect(query(place.db, "SELECT state, owner FROM sweeps")).toEqual([
        { state: "complete", owner: null },
      ]);
    },
  );
  row("two resume an abandoned sweep at once", "one goes on, the other is refused", async (place) => {
    place.a.script({ jobMs: 300 });
    const first = coordinate(place, {});
    await begun(first);
    first.child.kill("SIGKILL");
    await first.ended;
    const both = [0, 1].map(() => coordinate(place, { resume: true }));
    const ends = await Promise.all(both.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(ends.find(({ code }) => code === 1)!.said).toMatch(/is being run by process \d+/);
    expectCalm(place);
  });
  row("device that never rests, --no-wait", "measured at once as it is, marked", async (place) => {
    place.a.script({ temperatures: [60] });
    await run(place, {
      noWait: true,
      protocol: "{ retries: 0, readiness: { maxTemperatureC: 45, pollSeconds: 60, deadlineSeconds: 3600 } }",
    });
    const conducts = query<{ request: string }>(place.db, "SELECT request FROM measurements").map(
      ({ request }) => JSON.parse(request).conduct,
    );
    expect(conducts).toHaveLength(TRIALS);
    for (const { flags, rules } of conducts) {
      expect(flags).toEqual(["not-ready"]);
      expect(rules.readiness.deadlineSeconds).toBe(0);
    }
    // The sweep's own rules are unchanged: it may be resumed without the option.
    await run(place, {
      resume: true,
      protocol: "{ retries: 0, readiness: { maxTemperatureC: 45, pollSeconds: 60, deadlineSeconds: 3600 } }",
    });
  });
  row("device used over another database", "waits until that job ends, and says so", async (place) => {
    const binary = await real();
    const other = spawn(binary.path, ["serve"], { stdio: ["pipe", "ignore", "ignore"] });
    const model = { plan: planOf() };
    const endless = { model, contexts: [512], decodeTokens: 400, repetitions: 1000 };
    other.stdin.write(`${JSON.stringify({ v: 1, id: "long", type: "measure", ...endless })}\n`);
    // Other rows have agents of their own on this machine, and their turns come first.
    await until("the other's job runs", () => childrenOf(other.pid!)[0], 60_000);
    const waits: string[] = [];
    const running = run(place, {
      binary,
      farm: REAL,
      listen: (event) => event.kind === "waiting" && waits.push(event.text),
    });
    await until("it waits", () => waits.length > 0, 60_000);
    expect(waits[0]).toMatch(
      /^device a is in use by another edgefront process \(a job of another coordinator/,
    );
    expect(query(place.db, "SELECT count(*) AS n FROM measurements")).toEqual([{ n: 0 }]);
    other.kill("SIGKILL");
    await running;
    expect(query(place.db, "SELECT count(*) AS n FROM measurements")).toEqual([{ n: TRIALS }]);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
  row("device waits for rest", "another coordinator measures on it meanwhile", async (place) => {
    // Hot at its first status checks, which only a guarded sweep makes.
    place.a.script({ temperatures: [...Array<number>(12).fill(60), 30] });
    const waits: string[] = [];
    const resting = run(place, {
      protocol: "{ retries: 0, readiness: { maxTemperatureC: 45, pollSeconds: 0.5, deadlineSeconds: 90 } }",
      listen: (event) => event.kind === "waiting" && waits.push(event.text),
    });
    let rested = false;
    void resting.then(() => {
      rested = true;
    });
    await until("it waits", () => waits.length > 0, 60_000);
    expect(waits[0]).toMatch(
      /^device a is busy \(60 C, limit 45 C\): waiting up to 90 s\. Change: measure\.protocol\.readiness/,
    );
    await run(place, { name: "second", trials: 2 });
    expect(rested).toBe(false);
    await resting;
    expect(query(place.db, "SELECT count(*) AS n FROM trials WHERE state = 'complete'")).toEqual([
      { n: TRIALS + 2 },
    ]);
    expect(faultsOf(place.db, "a")).toEqual([]);
  });
}
