import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { TrainResult } from "../../profilers/protocol.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { type LeaseProof, LeaseTable } from "../../runner/store/lease-table.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { Store } from "../../runner/store/store.ts";
import type { Proposal } from "../../search/strategy.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const config = parseSweepConfig(
  `name: s
space: { vocab: 256, width: 64, depth: 2, mixers: [c3], ffn: 64 }
search: { trials: 2 }
objectives: [{ metric: parameters }]`,
  "s.yaml",
);
const drawn = (layout: Layout): Proposal => ({
  candidate: layout,
  origin: { kind: "random", parents: [], operator: null },
});
const layouts = ["c3 c3", "c3 c4"].map((layers) => parseNotation(`v256 d64 f64 : ${layers}`));

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, "t.db");
});
afterEach(() => folder.remove());

/** When a process of this machine began, as the kernel counts. */
const startOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")[19]!;

function withSweep(): { store: Store; sweepId: number; trialId: number } {
  const store = Store.open(path);
  const sweepId = store.sweeps.create("s", config, {}).id;
  store.trials.propose(sweepId, 0, layouts.map(drawn), { rng: [1, 2, 3, 4] });
  return { store, sweepId, trialId: store.trials.batch(sweepId, 0)[0]!.id };
}

describe("the database file", () => {
  it("is WAL, strict, with foreign keys, and knows its version", () => {
    Store.open(path).close();
    const db = new Database(path);
    expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(db.pragma("user_version", { simple: true })).toBe(SCHEMA_VERSION);
    const tables = db.pragma("table_list") as { name: string; strict: number; schema: string }[];
    const own = tables.filter(({ name, schema }) => schema === "main" && !name.startsWith("sqlite_"));
    expect(own.length).toBeGreaterThan(8);
    expect(own.filter((table) => table.strict !== 1)).toEqual([]);
    db.close();
  });

  it("opens twice at once, and keeps what the first wrote", () => {
    const { store, sweepId } = withSweep();
    const second = Store.open(path);
    expect(second.trials.count(sweepId)).toBe(2);
    second.close();
    store.close();
  });

  it.each([
    ["a newer schema", (db: Database.Database) => db.pragma("user_version = 999"), /newer edgefront/],
    ["another program's tables", (db: Database.Database) => db.exec("CREATE TABLE x (y)"), /another program/],
  ])("with %s is refused and left as it was", (what, spoil, message) => {
    if (what === "a newer schema") Store.open(path).close();
    const db = new Database(path);
    spoil(db);
    db.close();
    expect(() => Store.open(path)).toThrow(message);
  });

  it("that is no database is refused", () => {
    writeFileSync(
      path,
      "this is not SQLite, but it is long enough to be looked at as if it were one".repeat(20),
    );
    expect(() => Store.open(path)).toThrow(/not a database/);
  });

  it("that cannot be made is refused with the reason", () => {
    expect(() => Store.open(join(folder.path, "no", "such", "folder", "t.db"))).toThrow(
      /cannot be opened|does not exist|cannot use/,
    );
    mkdirSync(join(folder.path, "dir.db"));
    expect(() => Store.open(join(folder.path, "dir.db"))).toThrow(/cannot use the database/);
    expect(() => Store.open(join(folder.path, "none.db"), { mustExist: true })).toThrow(/no such database/);
    expect(existsSync(join(folder.path, "none.db"))).toBe(false);
  });
});

describe("sweeps", () => {
  it("have one name each, and one living owner", () => {
    const { store } = withSweep();
    expect(() => store.sweeps.create("s", config, {})).toThrow(/--resume/);
    expect(() => store.sweeps.get("z")).toThrow(/there is no sweep "z"/);
    expect(store.sweeps.get("s").isRunning).toBe(true);
    store.close();
  });

  it("of a dead process may be claimed, of a living one not; what cannot be seen is watched", () => {
    const { store, sweepId } = withSweep();
    const other = Store.open(path);
    const db = new Database(path);
    const sweep = other.sweeps.get("s");
    const own = JSON.parse(store.sweeps.self) as Record<string, unknown>;
    const setOwner = (changes: object, beatAt = new Date().toISOString()) =>
      db
        .prepare("UPDATE sweeps SET owner = ?, owner_beat_at = ?")
        .run(JSON.stringify({ ...own, ...changes }), beatAt);
    const [init, long] = [{ pid: 1, started: startOf(1) }, "2020-01-01T00:00:00.000Z"];
    setOwner(init);
    expect(() => other.sweeps.standing(sweep)).toThrow(/is being run by process 1; wait for it/);
    setOwner(init, long); // it lives and is silent: stopped, or hung
    expect(other.sweeps.standing(sweep)).toBe("watch");
    for (const elsewhere of [{ boot: "x" }, { space: "pid:[1]" }, { space: undefined }]) {
      // A pid of another container may well be this one's.
      setOwner(elsewhere);
      expect(other.sweeps.standing(sweep)).toBe("watch");
      expect(other.sweeps.get("s").isRunning).toBe(true);
      setOwner(elsewhere, long);
      expect(other.sweeps.get("s").isRunning).toBe(false);
    }
    setOwner({ pid: 2 ** 22 + 1, started: "1" });
    expect(other.sweeps.standing(sweep)).toBe("free");
    const seen = other.sweeps.ownership(sweepId);
    other.sweeps.claim(sweep, seen);
    expect(other.sweeps.get("s").isRunning).toBe(true);
    // Seen before another process claimed it: not taken a second time.
    expect(() => store.sweeps.claim(sweep, seen)).toThrow(/is being run by/);
    expect(store.sweeps.beat(sweepId)).toBe(false);
    store.sweeps.release(sweepId);
    expect(other.sweeps.get("s").isRunning).toBe(true);
    expect(other.sweeps.beat(sweepId)).toBe(true);
    other.sweeps.release(sweepId);
    expect(other.sweeps.get("s").isRunning).toBe(false);
    for (const one of [db, other, store]) one.close();
  });
});

describe("proposals", () => {
  it("come back in order with the strategy's state", () => {
    const { store, sweepId } = withSweep();
    expect(store.trials.lastAsk(sweepId)).toMatchObject({ batch: 0, strategyState: { rng: [1, 2, 3, 4] } });
    expect(store.trials.all(sweepId).map((trial) => trial.notation)).toEqual([
      "v256 d64 f64 : c3 c3",
      "v256 d64 f64 : c3 c4",
    ]);
    store.close();
  });

  it("are written whole or not at all: a layout proposed twice takes its batch with it", () => {
    const { store, sweepId } = withSweep();
    const fresh = parseNotation("v256 d64 f64 : c5 c5");
    expect(() => store.trials.propose(sweepId, 1, [fresh, layouts[0]!].map(drawn), {})).toThrow(/UNIQUE/);
    expect(store.trials.count(sweepId)).toBe(2);
    expect(store.trials.lastAsk(sweepId)!.batch).toBe(0);
    store.close();
  });

  it("keep where each came from", () => {
    const { store, sweepId } = withSweep();
    const origin = { kind: "mutation" as const, parents: ["l1-0"], operator: "swap" };
    const candidate = parseNotation("v256 d64 f64 : c5 c5");
    store.trials.propose(sweepId, 1, [{ candidate, origin }], {});
    expect(store.trials.all(sweepId).map((trial) => trial.origin)).toEqual([
      drawn(layouts[0]!).origin,
      drawn(layouts[1]!).origin,
      origin,
    ]);
    store.close();
  });

  it("end once", () => {
    const { store, sweepId, trialId } = withSweep();
    store.trials.finish(trialId, { state: "infeasible", cause: "over-budget", reason: "r" });
    store.trials.finish(trialId, { state: "complete" });
    expect(store.trials.all(sweepId)[0]).toMatchObject({ state: "infeasible", cause: "over-budget" });
    store.close();
  });
});

const leaseOn = (store: Store): LeaseProof => ({ device: "local", token: store.leases.take("local")! });

describe("jobs", () => {
  const result = { steps: 1 } as unknown as TrainResult;
  const record = { task: "t", seed: 1, agentSha256: "a", request: {}, result };

  it("store a result once; a result of an earlier start is refused", () => {
    const { store, trialId } = withSweep();
    const lease = leaseOn(store);
    const first = store.jobs.start(trialId, "train", "t:1", "local");
    const second = store.jobs.start(trialId, "train", "t:1", "local");
    expect(second.fence).toBe(first.fence + 1);
    expect(store.jobs.finishScore(first, lease, record)).toBe(false);
    expect(store.jobs.isDone(trialId, "train", "t:1")).toBe(false);
    expect(store.jobs.finishScore(second, lease, record)).toBe(true);
    expect(store.jobs.finishScore(second, lease, record)).toBe(false);
    expect(store.jobs.scores(trialId, "t")).toHaveLength(1);
    expect(() => store.jobs.start(trialId, "train", "t:1", "local")).toThrow(/done already/);
    store.close();
  });

  it("that failed may run again, and a late failure of an earlier start changes nothing", () => {
    const { store, trialId } = withSweep();
    const lease = leaseOn(store);
    const first = store.jobs.start(trialId, "train", "t:1", "local");
    const second = store.jobs.start(trialId, "train", "t:1", "local");
    store.jobs.fail(first, "lost", "transport-lost", "gone");
    expect(store.jobs.finishScore(second, lease, record)).toBe(true);
    store.close();
  });

  it("refuse a result whose device was granted to another coordinator since", () => {
    const { store, trialId } = withSweep();
    const other = Store.open(path);
    const lease = leaseOn(store);
    const job = store.jobs.start(trialId, "train", "t:1", "local");
    expect(other.leases.take("local")).toBeNull();
    const token = other.leases.seize(other.leases.find("local")!);
    expect(token).toBe(lease.token + 1);
    expect(store.jobs.finishScore(job, lease, record)).toBe(false);
    expect(store.jobs.isDone(trialId, "train", "t:1")).toBe(false);
    expect(store.leases.renew()).toEqual([]);
    other.close();
    store.close();
  });

  it("never leave a metric that is not a number", () => {
    const { store, trialId } = withSweep();
    const metric = { name: "m", value: Number.NaN, unit: "ms", samples: [], stable: true };
    expect(() => store.trials.putMetrics(trialId, [metric])).toThrow(/NOT NULL/);
    store.close();
  });
});

describe("leases", () => {
  it("have one holder, tokens that only grow, and a next in line that is served first", () => {
    const [a, b, c] = [Store.open(path), Store.open(path), Store.open(path)];
    expect(a.leases.take("phone")).toBe(1);
    expect(b.leases.take("phone")).toBeNull();
    b.leases.want("phone");
    c.leases.want("phone");
    expect(a.leases.find("phone")).toMatchObject({ holder: a.leases.self, wanted: b.leases.self });
    a.leases.release({ device: "phone", token: 1 });
    expect(a.leases.take("phone")).toBeNull();
    expect(c.leases.take("phone")).toBeNull();
    expect(b.leases.take("phone")).toBe(2);
    a.leases.release({ device: "phone", token: 1 }); // late: changes nothing
    expect(a.leases.holder("phone")).toBe(b.leases.self);
    for (const store of [a, b, c]) store.close();
  });

  it("are seized only from a holder that did not move since", () => {
    const [a, b] = [Store.open(path), Store.open(path)];
    a.leases.take("phone");
    const seen = b.leases.find("phone")!;
    expect(a.leases.renew()).toEqual([{ device: "phone", token: 1 }]);
    expect(b.leases.seize(seen)).toBeNull();
    expect(LeaseTable.abandoned(seen)).toBe(false);
    const owner = JSON.parse(seen.holder!) as Record<string, unknown>;
    const holder = (changes: object) => ({ ...seen, holder: JSON.stringify({ ...owner, ...changes }) });
    expect(LeaseTable.abandoned(holder({ pid: 2 ** 22 + 1 }))).toBe(true);
    // The pid was given to another process since.
    expect(LeaseTable.abandoned(holder({ started: "1" }))).toBe(true);
    // Another machine, or another container: nothing is known of it.
    expect(LeaseTable.abandoned(holder({ boot: "x", pid: 2 ** 22 + 1 }))).toBe(false);
    expect(LeaseTable.abandoned(holder({ space: "pid:[1]", pid: 2 ** 22 + 1 }))).toBe(false);
    expect(b.leases.seize(b.leases.find("phone")!)).toBe(2);
    for (const store of [a, b]) store.close();
  });
});

describe("the health of devices", () => {
  const fault = { cause: "transport-lost", reason: "the connection was lost" };

  it("counts faults, quarantines at the third, and forgives them when it is restored", () => {
    const store = Store.open(path);
    const { health } = store;
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", recentFaults: 0, lastFault: null });
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    expect(health.deviceHealth("phone")).toMatchObject({ state: "lost", reason: fault.reason });
    health.ready("phone");
    expect(health.state("phone").state).toBe("ready");
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    expect(health.recordDeviceFault("phone", { ...fault, cause: "protocol" })).toBe(true);
    health.ready("phone");
    expect(health.deviceHealth("phone")).toMatchObject({
      state: "quarantined",
      readmission: "sentinel",
      recentFaults: 3,
      lastFault: { cause: "protocol" },
    });
    health.restore("phone", "sentinel-passed");
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", recentFaults: 0 });
    expect(health.recordDeviceFault("phone", fault)).toBe(false);
    store.close();
  });

  it("forgets faults older than a day, whatever else happened", () => {
    const store = Store.open(path);
    for (let i = 0; i < 2; i++) store.health.recordDeviceFault("phone", fault);
    const db = new Database(path);
    db.exec("UPDATE events SET created_at = '2020-01-01T00:00:00.000Z'");
    db.close();
    expect(store.health.recordDeviceFault("phone", fault)).toBe(false);
    expect(store.health.deviceHealth("phone").recentFaults).toBe(1);
    store.close();
  });

  it("knows its queue, a restart by the boot id, its temperature, and a quarantine by hand", () => {
    const { store, sweepId, trialId } = withSweep();
    const { health } = store;
    const second = store.trials.batch(sweepId, 0)[1]!.id;
    store.jobs.start(trialId, "measure", "phone", "phone");
    store.jobs.start(second, "measure", "phone", "phone");
    expect(health.deviceHealth("phone")).toMatchObject({ state: "busy", queued: 1 });
    store.sweeps.release(sweepId); // nobody runs it now
    expect(health.deviceHealth("phone")).toMatchObject({ state: "ready", queued: 0 });
    expect(health.sawBoot("phone", "a")).toBe(false);
    expect(health.sawBoot("phone", "a")).toBe(false);
    expect(health.sawBoot("phone", "b", { sweepId })).toBe(true);
    health.sawTemperature("phone", 34.5);
    health.quarantine("phone", "its battery swells");
    expect(health.deviceHealth("phone")).toMatchObject({
      state: "quarantined",
      readmission: "restore",
      reason: "its battery swells",
      temperatureC: 34.5,
      bootId: "b",
    });
    expect(store.events(sweepId).at(-1)).toMatchObject({
      kind: "rebooted",
      device: "phone",
      cause: "boot-id",
    });
    store.close();
  });
});
