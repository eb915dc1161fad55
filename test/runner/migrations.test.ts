// Databases of every schema version that was ever written open with this code, with all they hold.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { frontJson } from "../../reports/json.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
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
