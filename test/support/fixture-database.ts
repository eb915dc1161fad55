// A finished sweep named `fixture` as a database file, of any schema version ever written.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";

export const FIXTURES = join(PACKAGE_ROOT, "test", "fixtures");

export function writeFixtureDatabase(path: string, version = SCHEMA_VERSION): void {
  const db = new Database(path);
  db.pragma("foreign_keys = OFF"); // a dump is in alphabetical order
  db.exec(readFileSync(join(FIXTURES, `database-v${version}.sql`), "utf8"));
  db.close();
}
