// Opens the database: SQLite in WAL mode, migrated to the current schema, refused when it is newer or not ours.
import Database from "better-sqlite3";
import { InvalidInputError } from "../../candidates/errors.ts";
import { DatabaseBusyError } from "../errors.ts";
import { initial } from "./migrations/001-initial.ts";
import { origins } from "./migrations/002-origins.ts";
import { deviceFarm } from "./migrations/003-device-farm.ts";
import { fronts } from "./migrations/004-fronts.ts";
import { runningJobs } from "./migrations/005-running-jobs.ts";
import { screenedAndStopped } from "./migrations/006-screened-and-stopped.ts";
import { repetitions } from "./migrations/007-repetitions.ts";
import { sessions } from "./migrations/008-sessions.ts";
import { identity } from "./migrations/009-identity.ts";
import { confirmations } from "./migrations/010-confirmations.ts";

/** Marks the file as edgefront's (`PRAGMA application_id`): "EDGF". */
const APPLICATION_ID = 0x45444746;

/** Applied in order; a database's `user_version` is how many it has seen. Never edit one that was released. */
const migrations: readonly string[] = [
  initial,
  origins,
  deviceFarm,
  fronts,
  runningJobs,
  screenedAndStopped,
  repetitions,
  sessions,
  identity,
  confirmations,
];

export const SCHEMA_VERSION = migrations.length;

const pragma = (db: Database.Database, name: string): number => db.pragma(name, { simple: true }) as number;

function migrate(db: Database.Database, path: string): void {
  const version = pragma(db, "user_version");
  const application = pragma(db, "application_id");
  const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
  if (application !== APPLICATION_ID && tables.n > 0) {
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
  if (version === SCHEMA_VERSION) return;
  // A migration may edit the schema itself.
  db.unsafeMode(true);
  db.transaction(() => {
    for (const sql of migrations.slice(pragma(db, "user_version"))) db.exec(sql);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
  db.unsafeMode(false);
}

/** More different statements than the tables have; beyond, the oldest is forgotten. */
const KEPT_STATEMENTS = 256;

/** Each statement is compiled once a connection: a sweep says the same few thousands of times. */
function keepStatements(db: Database.Database): void {
  const prepare = db.prepare.bind(db);
  const kept = new Map<string, Database.Statement>();
  db.prepare = ((sql: string) => {
    const known = kept.get(sql);
    // One that is still being read from cannot be started again.
    if (known !== undefined) {
      if (known.busy) return prepare(sql);
      return known.reader ? known.raw(false).pluck(false) : known;
    }
    const statement = prepare(sql);
    const [oldest] = kept.keys();
    if (kept.size === KEPT_STATEMENTS) kept.delete(oldest!);
    kept.set(sql, statement);
    return statement;
  }) as typeof db.prepare;
}

export interface OpenOptions {
  /** Fail rather than make a new file. */
  readonly mustExist?: boolean;
  /** Reads only, and never makes a running sweep wait. */
  readonly readOnly?: boolean;
  /** False: what is written survives a killed process, but maybe not a power cut. */
  readonly durable?: boolean;
  /** How long a write waits for another process that holds the database. */
  readonly busyMs?: number;
}

/** Writes take milliseconds: who holds the database for so long is stopped (Ctrl-Z), or hangs. */
const BUSY_MS = 30_000;

/** Another process kept the database locked for all the time that a write may wait. */
export const isBusy = (error: unknown): boolean =>
  /^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string } | null)?.code ?? "");

/** Opens or creates the database at `path`. Throws InvalidInputError with one line when it cannot be used. */
export function openDatabase(path: string, options: OpenOptions = {}): Database.Database {
  let db: Database.Database | undefined;
  try {
    const { mustExist = false, readOnly = false, durable = true, busyMs = BUSY_MS } = options;
    db = new Database(path, { fileMustExist: mustExist, readonly: readOnly, timeout: busyMs });
    db.pragma("journal_mode = WAL");
    db.pragma(`synchronous = ${durable ? "FULL" : "NORMAL"}`);
    db.pragma("foreign_keys = ON");
    migrate(db, path);
    keepStatements(db);
    return db;
  } catch (cause) {
    db?.close();
    if (cause instanceof InvalidInputError) throw cause;
    if (isBusy(cause)) throw new DatabaseBusyError({ cause });
    const code = (cause as { code?: string }).code ?? "";
    const why = code.startsWith("SQLITE_CANTOPEN")
      ? options.mustExist
        ? "there is no such database; run a sweep first, or name one with --db"
        : "it cannot be opened or created; check the folder and its permissions, or name another with --db"
      : code.startsWith("SQLITE_READONLY")
        ? "it is not writable; check its permissions, or name another with --db"
        : code === "SQLITE_NOTADB"
          ? "it is not a database; name another with --db"
          : code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR")
            ? "the disk is full or failing; make room and try again"
            : (cause as Error).message;
    throw new InvalidInputError("unusable-database", `cannot use the database ${path}: ${why}`, { cause });
  }
}
