// Databases of every schema version ever written open with this code, with all their contents.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { frontJson } from "../../reports/json.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { type JobTarget, keyOf, percentOf } from "../../runner/store/job-target.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const fixtures = join(PACKAGE_ROOT, "test", "fixtures");
const versions = Array.from({ length: SCHEMA_VERSION }, (_, index) => index + 1);

it("there is a fixture for each version", () => {
  const files = readdirSync(fixtures).filter((name) => name.startsWith("database-v"));
  expect(files.sort()).toEqual(versions.map((version) => `database-v${version}.sql`).sort());
});

describe.each(versions)("a database of schema version %i", (version) => {
  it("opens, and its sweep reads as it was written", () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "old.db");
    const db = new Database(path);
    db.pragma("foreign_keys = OFF"); // a dump is in alphabetical order
    db.exec(readFileSync(join(fixtures, `database-v${version}.sql`), "utf8"));
    db.close();
    const store = Store.open(path);
    const data = reportData(store, store.sweeps.get("fixture"));
    expect(data.trials.map(({ state }) => state).sort()).toEqual([
      "complete",
      "complete",
      "complete",
      "infeasible",
    ]);
    expect(data.devices[0]).toMatchObject({ name: "local", transport: "local" });
    const front = frontJson(data);
    expect(front.points.length).toBeGreaterThan(0);
    expect(front.points[0]!.metrics).toHaveProperty(["decodeP50Ms@8:local"]);
    store.close();
    folder.remove();
  });
});

it("what a job is for, and which budgets a trial breaks, move from text into columns", () => {
  const folder = temporaryFolder();
  const path = join(folder.path, "old.db");
  const db = new Database(path);
  db.pragma("foreign_keys = OFF"); // a dump is in alphabetical order
  db.exec(readFileSync(join(fixtures, "database-v11.sql"), "utf8"));
  const insert = db.prepare(
    "INSERT INTO jobs (trial_id, kind, target, state, started_at, finished_at) VALUES (2, ?, ?, 'failed', 't', 't')",
  );
  const whole = { rungPercent: null, confirmation: null };
  const targets: readonly JobTarget[] = [
    { kind: "measure", source: "phone-2", nth: 1, ...whole },
    { kind: "measure", source: "phone", nth: 12, ...whole },
    { kind: "measure", source: "phone", nth: 14, ...whole, confirmation: 13 },
    { kind: "train", source: "mqar2", nth: 7, ...whole },
    { kind: "train", source: "text", nth: 1, ...whole, rungPercent: 12.5 },
    { kind: "train", source: "text", nth: 1, ...whole, rungPercent: percentOf(1 / 3) },
    { kind: "train", source: "text", nth: 1_000_002, ...whole, confirmation: 3 },
  ];
  for (const target of targets) insert.run(target.kind, keyOf(target));
  db.exec(`INSERT INTO repetitions (sweep_id, trial_id, batch, place, kind, targets, worth) VALUES
    (1, 1, 1, 0, 'measure', '["local#2","phone3#2"]', '{"gain":0,"minutes":0}'),
    (1, 1, 1, 1, 'train', '["text:12"]', '{"gain":0,"minutes":0}')`);
  db.exec(`UPDATE trials SET reason = 'ttftMs@8:local is 2.5, budget max 2; x is 1e-7, budget min 3, when it was trained once more'
    WHERE cause = 'over-budget'`);
  db.close();

  const store = Store.open(path);
  const second = store.trials.all(1)[1]!;
  const jobs = store.history.ofTrials([second.id]).filter(({ startedAt }) => startedAt === "t");
  expect(
    jobs.map(({ kind, source, nth, rungPercent, confirmation }) => ({
      ...{ kind, source, nth, rungPercent, confirmation },
    })),
  ).toEqual(targets);
  expect(store.repetitions.all(1).map(({ kind, sources, nth }) => [kind, sources, nth])).toEqual([
    ["measure", ["local"], 2], // the fixture's own
    ["measure", ["local", "phone3"], 2],
    ["train", ["text"], 12],
  ]);
  expect(store.trials.all(1).find(({ cause }) => cause === "over-budget")!.overBudget).toEqual({
    violations: [
      { metric: "ttftMs@8:local", limit: "max", bound: 2, value: 2.5 },
      { metric: "x", limit: "min", bound: 3, value: 1e-7 },
    ],
    again: "trained",
  });
  store.close();
  folder.remove();
});

it("a row that was damaged is named, not believed", () => {
  const folder = temporaryFolder();
  const path = join(folder.path, "damaged.db");
  const db = new Database(path);
  db.pragma("foreign_keys = OFF"); // a dump is in alphabetical order
  db.exec(readFileSync(join(fixtures, `database-v${SCHEMA_VERSION}.sql`), "utf8"));
  db.exec(
    `UPDATE trials SET origin = '{"kind":"drawn"}' WHERE id = 1; UPDATE metrics SET samples = '[1,' WHERE trial_id = 2`,
  );
  db.close();
  const store = Store.open(path);
  expect(() => store.trials.all(1)).toThrow(
    /a row of table trials is not what edgefront writes \(.*origin.*\); restore/,
  );
  expect(() => store.metrics.ofTrial(2)).toThrow(/a row of table metrics is not what edgefront writes/);
  store.close();
  folder.remove();
});
