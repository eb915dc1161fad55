// The fault matrix: every way a device, its link, its agent or its coordinator can fail is injected into a sweep over real sshd
// processes. Each row states what must happen, and that the database then equals that of a run without the fault.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { hostTarget } from "../../runner/agent/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { LeaseTable } from "../../runner/store/leases.ts";
import { Store } from "../../runner/store/store.ts";
import type { SweepEvent } from "../../runner/sweep/events.ts";
import type { FarmOptions } from "../../runner/sweep/sweep.ts";
import { childrenOf, isAlive, until } from "../support/agents.ts";
import { temporaryFolder } from "../support/cli.ts";
import { sshdProblem } from "../support/needs.ts";
import {
  agentsOf,
  coordinatorProgram,
  eventsOf,
  type FarmSweep,
  faultsOf,
  type LoopbackDevice,
  left,
  QUICK,
  query,
  register,
  runFarm,
  scriptedAgent,
  startDevice,
} from "./farm.ts";

const LANES = 4;
const TRIALS = 5;
/** The real agent's heart beats every 5 s. */
const REAL: FarmOptions = { session: { silenceMs: 12_000 } };

/** Devices and a database for one row. */
interface Place {
  readonly a: LoopbackDevice;
  readonly b: LoopbackDevice;
  db: string;
}

describe.skipIf(sshdProblem() !== null)("the fault matrix", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let agent: AgentBinary;
  let program: string;
  /** A run without faults, on one device and on two. */
  const calm = new Map<string, ReturnType<typeof left>>();
  let calmPath: string;
  const places: Place[] = [];
  const waiting: ((place: Place) => void)[] = [];
  const results: { fault: string; required: string; ok: boolean; seconds: number }[] = [];
  let databases = 0;

  beforeAll(async () => {
    folder = temporaryFolder();
    process.env.XDG_CONFIG_HOME = join(folder.path, "config");
    agent = await scriptedAgent();
    program = await coordinatorProgram();
    const place = await enter();
    for (const devices of [["a"], ["a", "b"]]) {
      await prepare(place);
      await run(place, { devices });
      calm.set(devices.join(), left(place.db));
      if (devices.length === 1) calmPath = place.db;
    }
    expect(calm.get("a,b")!.measurements).toHaveLength(2 * TRIALS);
    leave(place);
  });
  afterAll(async () => {
    const rows = results.map(({ fault, required, ok, seconds }) =>
      [ok ? "ok  " : "FAIL", `${seconds.toFixed(1)} s`.padStart(7), fault.padEnd(46), required].join("  "),
    );
    process.stdout.write(
      `\n${rows.join("\n")}\n${results.filter(({ ok }) => ok).length} of ${results.length} rows as required\n`,
    );
    for (const { a, b } of places) {
      await a.stop();
      await b.stop();
    }
    folder.remove();
  });

  let opening: Promise<unknown> = Promise.resolve();
  const free: Place[] = [];
  let made = 0;
  /** A place of its own for a row; up to so many are made, one after another: making logins takes turns. */
  async function enter(): Promise<Place> {
    const place = free.pop();
    if (place !== undefined) return place;
    if (made === LANES) return new Promise((resolve) => waiting.push(resolve));
    made++;
    const making = opening.then(async () => {
      const fresh: Place = { a: await startDevice(), b: await startDevice(), db: "" };
      places.push(fresh);
      return fresh;
    });
    opening = making;
    return making;
  }
  function leave(place: Place): void {
    const next = waiting.shift();
    if (next) next(place);
    else free.push(place);
  }
  let building: Promise<AgentBinary> | undefined;
  const real = (): Promise<AgentBinary> => {
    building ??= buildAgent({ target: hostTarget()!, kind: "agent" });
    return building;
  };

  async function prepare(place: Place): Promise<void> {
    await Promise.all([place.a.reset(), place.b.reset()]);
    place.db = join(folder.path, `row${++databases}.db`);
    register(place.db, [place.a.record("a"), place.b.record("b")]);
  }

  interface RunOptions extends Partial<Omit<FarmSweep, "db">> {
    readonly listen?: (event: SweepEvent, store: Store) => void;
    readonly farm?: FarmOptions;
    readonly binary?: AgentBinary;
  }
  const run = (place: Place, { listen, farm, binary = agent, ...sweep }: RunOptions = {}): Promise<void> =>
    runFarm(
      { db: place.db, devices: ["a"], trials: TRIALS, ...sweep },
      { ...QUICK, agentFor: async () => binary, ...farm },
      listen,
    );
  const expectCalm = (place: Place, devices = "a", name = "faults"): void =>
    expect(left(place.db, name)).toEqual(calm.get(devices));

  /** Calls back once, when the nth job has begun. */
  const atJob = (n: number, act: (store: Store) => void) => {
    let seen = 0;
    return (event: SweepEvent, store: Store) => {
      if (event.kind === "job" && event.text.startsWith("measuring") && ++seen === n)
        setTimeout(act, 20, store);
    };
  };
  /** Starts the coordinator as a process; resolves with how it ended and what it said. */
  const coordinate = (place: Place, sweep: Partial<FarmSweep>, jumpsMs?: readonly number[]) => {
    const given = { sweep: { db: place.db, devices: ["a"], trials: TRIALS, ...sweep }, agent, jumpsMs };
    const child = spawn(process.execPath, [program, JSON.stringify(given)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (text: Buffer) => {
      said += text;
    });
    child.stderr.on("data", (text: Buffer) => {
      said += text;
    });
    const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
      child.on("close", (code) => resolve({ code, said })),
    );
    return { child, ended, said: () => said };
  };

  const row = (fault: string, required: string, body: (place: Place) => Promise<void>): void => {
    it.concurrent(`${fault}: ${required}`, async () => {
      const place = await enter();
      const start = performance.now();
      let ok = false;
      try {
        await prepare(place);
        await body(place);
        ok = true;
      } finally {
        results.push({ fault, required, ok, seconds: (performance.now() - start) / 1000 });
        leave(place);
      }
    });
  };

  // ---- the link --------------------------------------------------------------------------------------------------------

  row("network reset during a run", "job lost, retried; the agent there dies", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, { listen: atJob(2, () => place.a.proxy.reset()) });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
    await until("no agent is left", () => agentsOf(place.a).length === 0);
  });
  row("silent drop during a run", "noticed < 60 s, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    let frozen = 0;
    let noticed = 0;
    const freeze = atJob(2, () => {
      place.a.proxy.freeze();
      frozen = performance.now();
    });
    await run(place, {
      listen: (event, store) => {
        freeze(event, store);
        if (event.kind !== "device-state" || noticed > 0) return;
        noticed = performance.now() - frozen;
        place.a.proxy.thaw();
      },
    });
    expectCalm(place);
    expect(noticed).toBeGreaterThan(1000);
    expect(noticed).toBeLessThan(60_000);
  });
  row("network reset during an upload", "upload lost; the next run sends it whole", async (place) => {
    place.a.proxy.after(6000, "reset");
    await expect(run(place)).rejects.toMatchObject({
      code: expect.stringMatching(/transport-lost|unreachable/),
    });
    await run(place);
    expectCalm(place);
  });
  row("silent drop during an upload", "noticed < 60 s; nothing half there is run", async (place) => {
    place.a.proxy.after(6000, "freeze");
    const start = performance.now();
    await expect(run(place)).rejects.toMatchObject({
      code: expect.stringMatching(/transport-lost|unreachable/),
    });
    expect(performance.now() - start).toBeLessThan(60_000);
    place.a.proxy.thaw();
    await run(place);
    expectCalm(place);
  });
  row("sshd's session killed", "job lost, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, { listen: atJob(2, () => place.a.sshd.killSessions()) });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });
  row("sshd gone for a while", "waits, comes back through the sentinel", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, {
      listen: atJob(2, () => {
        place.a.sshd.killListener();
        place.a.sshd.killSessions();
        setTimeout(() => void place.a.sshd.restart(), 2500);
      }),
    });
    expectCalm(place);
    expect(faultsOf(place.db, "a").length).toBeGreaterThanOrEqual(3);
    expect(eventsOf(place.db, "restored")).toEqual([{ device: "a", cause: "sentinel-passed" }]);
  });

  // ---- the agent -------------------------------------------------------------------------------------------------------

  for (const [how, cause, required] of [
    ["kill", "transport-lost", "agent killed -9: job lost, retried"],
    ["exit", "transport-lost", "agent ends: job lost, retried"],
    ["truncated", "transport-lost", "half an answer: nothing kept, retried"],
    ["garbage", "protocol", "session ended, nothing kept, retried"],
    ["oversized", "protocol", "capped, session ended, retried"],
    ["flood", "protocol", "capped, session ended, retried"],
    ["hang", "transport-lost", "silence ends the session, retried"],
    ["disk-error", "io", "device's fault, retried"],
  ] as const) {
    row(`agent: ${how}`, required, async (place) => {
      place.a.script({ jobs: { 2: how, 4: how } });
      const before = process.memoryUsage().rss;
      await run(place);
      expectCalm(place);
      expect(faultsOf(place.db, "a")).toEqual([cause, cause]);
      expect(place.a.jobs()).toBe(TRIALS + 2);
      expect(process.memoryUsage().rss - before).toBeLessThan(600e6);
    });
  }
  row("real agent killed -9, its child too", "job lost, retried; no orphan", async (place) => {
    // What was asked for; how it was conducted, and on which kernels, is the real agent's own.
    const asked = (rows: readonly unknown[]) =>
      rows.map((row) => {
        const { conduct: _conduct, isa: _isa, ...request } = JSON.parse((row as { request: string }).request);
        return request;
      });
    const pids: number[] = [];
    await run(place, {
      binary: await real(),
      farm: REAL,
      listen: atJob(2, () => {
        for (const pid of agentsOf(place.a)) {
          pids.push(pid, ...childrenOf(pid));
          process.kill(pid, "SIGKILL");
        }
      }),
    });
    expect(pids.length).toBeGreaterThan(0);
    await until("agent and child are gone", () => !pids.some(isAlive));
    expect(left(place.db).trials).toEqual(calm.get("a")!.trials);
    expect(asked(left(place.db).measurements)).toEqual(asked(calm.get("a")!.measurements));
  });
  row("real agent stopped (SIGSTOP)", "its silence ends the session, retried", async (place) => {
    let stopped: number[] = [];
    const stop = atJob(2, () => {
      stopped = agentsOf(place.a);
      for (const pid of stopped) process.kill(pid, "SIGSTOP");
    });
    await run(place, {
      binary: await real(),
      farm: REAL,
      listen: (event, store) => {
        stop(event, store);
        if (event.kind === "device-state") for (const pid of stopped.splice(0)) process.kill(pid, "SIGKILL");
      },
    });
    expect(left(place.db).trials).toEqual(calm.get("a")!.trials);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });

  // ---- the candidate ---------------------------------------------------------------------------------------------------

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
        calmPath,
        `SELECT c.parameters, max(t.number) AS number FROM trials t JOIN candidates c ON c.id = t.candidate_id
         GROUP BY c.parameters HAVING count(*) = 1 ORDER BY t.number`,
      );
      const others = (rows: unknown[]) =>
        rows.filter((each) => (each as { number: number }).number !== victim!.number);
      place.a.script({ parameters: { [victim!.parameters]: how } });
      await run(place);
      const now = left(place.db);
      const expected = calm.get("a")!;
      expect(now.trials[victim!.number]).toMatchObject({ state, cause });
      expect(others(now.trials)).toEqual(others(expected.trials));
      expect(now.measurements).toEqual(others(expected.measurements));
      expect(place.a.jobs()).toBe(TRIALS - 1 + tries);
      expect(faultsOf(place.db, "a")).toHaveLength(how === "kill" ? 3 : 0);
    });
  }

  // ---- the device ------------------------------------------------------------------------------------------------------

  row("disk full", "upload refused with the reason; goes on when there is room", async (place) => {
    const disk = join(place.a.sshd.home, ".edgefront");
    mkdirSync(disk, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk]);
    try {
      await expect(run(place)).rejects.toMatchObject({
        code: "upload-failed",
        message: expect.stringContaining("no room"),
      });
    } finally {
      execFileSync("umount", [disk]);
    }
    rmSync(disk, { recursive: true });
    await run(place);
    expectCalm(place);
  });
  row("disk full when it comes back", "tried again, goes on when there is room", async (place) => {
    place.a.script({ jobMs: 100 });
    const disk = join(place.a.sshd.home, ".edgefront");
    let mounted = false;
    const fill = atJob(2, () => {
      rmSync(disk, { recursive: true, force: true });
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk]);
      mounted = true;
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        fill(event, store);
        if (!mounted || !faultsOf(place.db, "a").includes("upload-failed")) return;
        execFileSync("umount", [disk]);
        rmSync(disk, { recursive: true });
        mounted = false;
      },
    });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toContain("upload-failed");
  });
  row("host key swapped", "quarantined, never retried; its jobs move to an equal device", async (place) => {
    place.a.script({ jobMs: 100 });
    await probed(place);
    let tries = 0;
    const swap = atJob(2, () => {
      void place.a.sshd.restart({ newHostKey: true }).then(() => place.a.sshd.killSessions());
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        swap(event, store);
        if (event.kind === "device-state" && event.state === "quarantined") tries++;
      },
    });
    expectCalm(place);
    expect(tries).toBe(1);
    expect(eventsOf(place.db, "quarantined")).toEqual([{ device: "a", cause: "host-key-changed" }]);
    expect(query(place.db, "SELECT DISTINCT device FROM measurements ORDER BY device")).toEqual([
      { device: "a" },
      { device: "b" },
    ]);
    expect(eventsOf(place.db, "moved").length).toBeGreaterThan(0);
  });
  row("host key swapped, no equal device", "stops with what to do; resumes when mended", async (place) => {
    place.a.script({ jobMs: 100 });
    place.b.script({ cpuModel: "Another CPU" });
    await probed(place);
    const pinned = place.a.record("a").hostKey;
    await expect(
      run(place, {
        listen: atJob(2, () => {
          void place.a.sshd.restart({ newHostKey: true });
          place.a.sshd.killSessions();
        }),
      }),
    ).rejects.toMatchObject({
      code: "device-quarantined",
      message: expect.stringMatching(/host key .*device restore a.*--resume/),
    });
    expect(place.a.record("a").hostKey).not.toBe(pinned);
    const store = Store.open(place.db);
    store.devices.remove("a");
    store.close();
    register(place.db, [place.a.record("a")]);
    await run(place, { resume: true });
    expectCalm(place);
  });
  row("key rejected", "two tries, then >= 30 s (scaled) between; goes on when mended", async (place) => {
    place.a.script({ jobMs: 100 });
    const at: number[] = [];
    const reject = atJob(2, () => {
      place.a.sshd.authorize(false);
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        reject(event, store);
        const refused = faultsOf(place.db, "a").filter((cause) => cause === "auth-failed").length;
        if (event.kind !== "device-state" || refused <= at.length) return;
        at.push(performance.now());
        if (at.length === 3) place.a.sshd.authorize(true);
      },
    });
    expectCalm(place);
    expect(at).toHaveLength(3);
    expect(at[2]! - at[1]!).toBeGreaterThan(30_000 * QUICK.timing!.pauseScale!);
  });
  row("reboot", "boot id changed: lost, full preflight, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, {
      listen: atJob(2, () => {
        place.a.script({ jobMs: 100, bootId: "after-the-reboot" });
        place.a.sshd.killSessions();
      }),
    });
    expectCalm(place);
    expect(eventsOf(place.db, "rebooted")).toEqual([{ device: "a", cause: "boot-id" }]);
  });
  row("flaky device", "3 faults: quarantine, back through the sentinel", async (place) => {
    place.a.script({ jobs: { 1: "garbage", 2: "exit", 4: "disk-error" } });
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["protocol", "transport-lost", "io"]);
    expect(eventsOf(place.db, "quarantined")).toEqual([{ device: "a", cause: "io" }]);
    expect(eventsOf(place.db, "restored")).toEqual([{ device: "a", cause: "sentinel-passed" }]);
  });
  row("a device lost for good, of two in a sweep", "its jobs move to the equal one", async (place) => {
    place.a.script({ jobMs: 50 });
    place.b.script({ jobMs: 50 });
    await run(place, {
      devices: ["a", "b"],
      listen: atJob(4, () => {
        place.a.sshd.killListener();
        place.a.sshd.killSessions();
      }),
    });
    await place.a.sshd.restart();
    expectCalm(place, "a,b");
    expect(eventsOf(place.db, "moved").length).toBeGreaterThan(0);
  });
  row("lost for good, no equal device", "the sweep ends with the resume line, and resumes", async (place) => {
    place.a.script({ jobMs: 100 });
    place.b.script({ cpuModel: "Another CPU" });
    await expect(
      run(place, {
        farm: { timing: { pauseScale: 0.05, patienceMs: 2000 } },
        listen: atJob(2, () => {
          place.a.sshd.killListener();
          place.a.sshd.killSessions();
        }),
      }),
    ).rejects.toMatchObject({ code: "device-lost", message: expect.stringContaining("--resume") });
    await place.a.sshd.restart();
    await run(place, { resume: true });
    expectCalm(place);
  });

  // ---- the coordinator -------------------------------------------------------------------------------------------------

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
      // The holder does not look while the job runs: only the fence can tell.
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
      await sleep(500); // a process stopped while it writes would keep the whole database
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
  row("two coordinators, one database, one device", "take turns; both end as alone", async (place) => {
    place.a.script({ jobMs: 30 });
    const both = [coordinate(place, {}), coordinate(place, { name: "second" })];
    for (const { ended } of both) expect(await ended).toMatchObject({ code: 0 });
    expectCalm(place);
    expectCalm(place, "a", "second");
    expect(place.a.jobs()).toBe(2 * TRIALS);
    // One at a time: the jobs' own times do not overlap.
    const spans = query<{ started_at: string; finished_at: string }>(
      place.db,
      "SELECT started_at, finished_at FROM jobs ORDER BY started_at",
    );
    for (const [i, { started_at }] of spans.entries())
      if (i > 0) expect(Date.parse(started_at)).toBeGreaterThan(Date.parse(spans[i - 1]!.finished_at) - 25);
  });
  row("wall clock jumps by days", "nothing changes: durations are monotonic", async (place) => {
    place.a.script({ jobMs: 60, jobs: { 3: "exit" } });
    const day = 86_400_000;
    const { ended } = coordinate(place, {}, [2 * day, -3 * day, 0, 30 * day, -day]);
    expect(await ended).toMatchObject({ code: 0 });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["transport-lost"]);
  });

  /** Both devices are known by a probe, as after `device add`. */
  async function probed(place: Place): Promise<void> {
    for (const name of ["a", "b"]) await run(place, { name: `probe-${name}`, devices: [name], trials: 1 });
  }
});
