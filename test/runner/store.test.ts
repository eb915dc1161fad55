import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { TrainResult } from "../../profilers/protocol.ts";
import { parseSweepConfig } from "../../runner/config.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { Store } from "../../runner/store/store.ts";
import type { Proposal } from "../../search/strategy.ts";
import { temporaryFolder } from "../support/cli.ts";

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
    expect(store.sweeps.get("s").runningPid).toBe(process.pid);
    store.close();
  });

  it("of a dead process may be claimed, of a living one not", () => {
    const { store, sweepId } = withSweep();
    const db = new Database(path);
    const setOwner = (owner: object) => db.prepare("UPDATE sweeps SET owner = ?").run(JSON.stringify(owner));
    const boot = JSON.parse((db.prepare("SELECT owner FROM sweeps").get() as { owner: string }).owner)
      .boot as string;
    setOwner({ pid: 2 ** 22 + 1, started: "1", boot });
    store.sweeps.claim(store.sweeps.get("s"));
    expect(store.sweeps.get("s").runningPid).toBe(process.pid);
    store.sweeps.release(sweepId);
    expect(store.sweeps.get("s").runningPid).toBeNull();
    db.close();
    store.close();
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

describe("jobs", () => {
  const result = { steps: 1 } as unknown as TrainResult;
  const record = { task: "t", seed: 1, agentSha256: "a", request: {}, result };

  it("store a result once; a result of an earlier start is refused", () => {
    const { store, trialId } = withSweep();
    const first = store.jobs.start(trialId, "train", "t:1");
    const second = store.jobs.start(trialId, "train", "t:1");
    expect(second.fence).toBe(first.fence + 1);
    expect(store.jobs.finishScore(first, record)).toBe(false);
    expect(store.jobs.isDone(trialId, "train", "t:1")).toBe(false);
    expect(store.jobs.finishScore(second, record)).toBe(true);
    expect(store.jobs.finishScore(second, record)).toBe(false);
    expect(store.jobs.scores(trialId, "t")).toHaveLength(1);
    expect(() => store.jobs.start(trialId, "train", "t:1")).toThrow(/done already/);
    store.close();
  });

  it("that failed may run again, and a late failure of an earlier start changes nothing", () => {
    const { store, trialId } = withSweep();
    const first = store.jobs.start(trialId, "train", "t:1");
    const second = store.jobs.start(trialId, "train", "t:1");
    store.jobs.fail(first, "lost", "transport-lost", "gone");
    expect(store.jobs.finishScore(second, record)).toBe(true);
    store.close();
  });

  it("never leave a metric that is not a number", () => {
    const { store, trialId } = withSweep();
    const metric = { name: "m", value: Number.NaN, unit: "ms", samples: [], stable: true };
    expect(() => store.trials.putMetrics(trialId, [metric])).toThrow(/NOT NULL/);
    store.close();
  });
});
