// Migrates a database to the current schema. It first checks that no process that knows only the older schema
// runs a sweep, and keeps a copy of the old file. A newer or foreign database is refused.
import { chmodSync, renameSync, rmSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { InvalidInputError } from "../../candidates/errors.ts";
import { RunError } from "../base/run-errors.ts";
import { initial } from "./migrations/001-initial.ts";
import { origins } from "./migrations/002-origins.ts";
import { deviceFarm } from "./migrations/003-device-farm.ts";
import { fronts } from "./migrations/004-fronts.ts";
import { runningJobs } from "./migrations/005-running-jobs.ts";
import { screenedAndStopped } from "./migrations/006-screened-and-stopped.ts";
import { repetitions } from "./migrations/007-repetitions.ts";
import { sessions } from "./migrations/008-sessions.ts";
import { identity } from "./migrations/009-identity.ts";
import { sweepOwners } from "./migrations/010-sweep-owners.ts";
import { confirmations } from "./migrations/011-confirmations.ts";
import { targetsAndViolations } from "./migrations/012-targets-and-violations.ts";
import { lifeOf } from "./owner.ts";

/** Marks the file as edgefront's (`PRAGMA application_id`): "EDGF". */
const APPLICATION_ID = 0x45444746;

/**
 * Applied in order; a database's `user_version` is the number that were applied. Never edit a released
 * migration.
 */
const migrations: readonly (string | ((db: Database.Database) => void))[] = [
  initial,
  origins,
  deviceFarm,
  fronts,
  runningJobs,
  screenedAndStopped,
  repetitions,
  sessions,
  identity,
  sweepOwners,
  confirmations,
  targetsAndViolations,
];

export const SCHEMA_VERSION = migrations.length;

/** Watching time: an owner writes every 5 s, for its leases if not for its sweep. */
const WATCH_MS = 12_000;
const WATCH_POLL_MS = 250;

export interface MigrateOptions {
  /** False for a private copy of a database, which needs no backup. */
  readonly backup?: boolean;
  /** Receives lines for people. */
  readonly onNote?: (text: string) => void;
  readonly watchMs?: number;
}

const pragma = (db: Database.Database, name: string): number => db.pragma(name, { simple: true }) as number;

/**
 * Checks that this program may write to the database. Changes nothing.
 * @throws InvalidInputError (`foreign-database`, `newer-database`) when it may not.
 */
export function requireOurs(db: Database.Database, path: string): void {
  const version = pragma(db, "user_version");
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
  if (pragma(db, "application_id") !== APPLICATION_ID && tables.n > 0) {
    throw new InvalidInputError(
      "foreign-database",
      `${path} is a database of another program; name another with --db`,
    );
  }
  if (version > SCHEMA_VERSION) {
    throw new InvalidInputError(
      "newer-database",
      `${path} was written by a newer edgefront (schema ${version}, this one knows ${SCHEMA_VERSION}); update edgefront`,
    );
  }
}

/**
 * Refuses while a process that knows only the older schema owns a sweep: its writes would not fit the newer
 * one.
 */
function requireNoOwner(
  db: Database.Database,
  path: string,
  { onNote, watchMs = WATCH_MS }: MigrateOptions,
): void {
  const owned = db.prepare("SELECT name, owner FROM sweeps WHERE owner IS NOT NULL").all() as {
    name: string;
    owner: string;
  }[];
  const refuse = (name: string): InvalidInputError =>
    new InvalidInputError(
      "older-owner",
      `sweep "${name}" of ${path} is being run by an older edgefront; wait for it or stop it, then run this again`,
    );
  const living = owned.find(({ owner }) => lifeOf(owner) === "alive");
  if (living !== undefined) throw refuse(living.name);
  const unseen = owned.find(({ owner }) => lifeOf(owner) === "unknown");
  if (unseen === undefined) return;
  onNote?.(
    `sweep "${unseen.name}" belongs to a process that cannot be seen from here: watching for ${Math.ceil(watchMs / 1000)} s whether it still writes`,
  );
  const before = pragma(db, "data_version");
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < watchMs; waited += WATCH_POLL_MS) {
    Atomics.wait(clock, 0, 0, WATCH_POLL_MS);
    if (pragma(db, "data_version") !== before) throw refuse(unseen.name);
  }
}

/** Keeps the old database as `PATH.schema-N.bak`. */
function keepBackup(db: Database.Database, path: string, version: number, { onNote }: MigrateOptions): void {
  const kept = `${path}.schema-${version}.bak`;
  const part = `${kept}.${process.pid}.part`;
  try {
    rmSync(part, { force: true });
    db.prepare("VACUUM INTO ?").run(part);
    chmodSync(part, statSync(path).mode & 0o777);
    const copy = new Database(part, { readonly: true });
    const copied = pragma(copy, "user_version");
    copy.close();
    // If another process migrated first, its copy holds the old database.
    if (copied === version) renameSync(part, kept);
  } catch (cause) {
    throw new RunError(
      "no-backup",
      `${path} is of an older schema, and no copy of it can be kept before it is brought up to date (${(cause as Error).message}); make room beside it and run this again`,
      { cause },
    );
  } finally {
    rmSync(part, { force: true });
  }
  onNote?.(`${path} is brought from schema ${version} to ${SCHEMA_VERSION}; what it was is kept as ${kept}`);
}

/**
 * Migrates an open database to the current schema, in one transaction.
 * @throws InvalidInputError (`older-owner`), RunError (`no-backup`); the database is unchanged then.
 */
export function migrate(db: Database.Database, path: string, options: MigrateOptions = {}): void {
  const version = pragma(db, "user_version");
  if (version === SCHEMA_VERSION) return;
  if (version > 0 && options.backup !== false) {
    requireNoOwner(db, path, options);
    keepBackup(db, path, version, options);
  }
  // A migration may edit the schema itself.
  db.unsafeMode(true);
  db.transaction(() => {
    for (const step of migrations.slice(pragma(db, "user_version"))) {
      if (typeof step === "string") db.exec(step);
      else step(db);
    }
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
  db.unsafeMode(false);
}
