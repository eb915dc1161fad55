// The database file, its sweeps and its proposals.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { startOf } from "../support/other-owner.ts";
import { drawn, storedConfig, storedLayouts, storeWithSweep } from "../support/small-store.ts";

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, "t.db");
});
afterEach(() => folder.remove());

const withSweep = () => storeWithSweep(path);

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
    expect(() => store.sweeps.create("s", storedConfig, {})).toThrow(/--resume/);
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
    setOwner(init, long); // the process lives but is silent: stopped, or hung
    expect(other.sweeps.standing(sweep)).toBe("watch");
    for (const elsewhere of [{ boot: "x" }, { space: "pid:[1]" }, { space: undefined }]) {
      // A pid of another container may equal this one's.
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
    // Observed before another process claimed it, so it cannot be taken a second time.
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
    expect(() => store.trials.propose(sweepId, 1, [fresh, storedLayouts[0]!].map(drawn), {})).toThrow(
      /UNIQUE/,
    );
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
      drawn(storedLayouts[0]!).origin,
      drawn(storedLayouts[1]!).origin,
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
