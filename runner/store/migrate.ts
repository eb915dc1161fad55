// Brings a database to the current schema: after a look for a living owner that knows only the older one, and with a copy kept of what
// was there. Refuses what is newer or not ours.
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

/** Applied in order; a database's `user_version` is how many it has seen. Never edit one that was released. */
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

/** Owners write a beat every 5 s, of their leases where not of their sweep. */
const WATCH_MS = 12_000;
const WATCH_POLL_MS = 250;

export interface MigrateOptions {
  /** False for a private copy of a database, which needs none. */
  readonly backup?: boolean;
  /** Lines for people. */
  readonly onNote?: (text: string) => void;
  readonly watchMs?: number;
}

const pragma = (db: Database.Database, name: string): number => db.pragma(name, { simple: true }) as number;

/** Throws InvalidInputError (`foreign-database`, `newer-database`) where this program must not write to it. Changes nothing. */
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

/** An owner of the older schema would go on writing what the newer one does not expect. */
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

/** Keeps what was there as `PATH.schema-N.bak`. */
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
    // Another process was faster: its copy holds what was there.
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
