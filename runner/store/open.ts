// Opens the database: SQLite in WAL mode on a local disk, migrated to the current schema by migrate.ts.
import { rmSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { InvalidInputError } from "../../candidates/errors.ts";
import { DatabaseBusyError, RunError } from "../base/run-errors.ts";
import { networkFileSystem } from "./file-system.ts";
import { type MigrateOptions, migrate, requireOurs, SCHEMA_VERSION } from "./migrate.ts";

/** More than the tables' different statements. Beyond this number, the oldest is dropped. */
const KEPT_STATEMENTS = 256;

/** Compiles each statement once for a connection, because a sweep runs the same few thousands of times. */
function keepStatements(db: Database.Database): void {
  const prepare = db.prepare.bind(db);
  const kept = new Map<string, Database.Statement>();
  db.prepare = ((sql: string) => {
    const known = kept.get(sql);
    // A statement that is still being read cannot be started again.
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

export { SCHEMA_VERSION };

export interface OpenOptions extends MigrateOptions {
  /** Fail instead of creating a new file. */
  readonly mustExist?: boolean;
  /** Only read, and never make a running sweep wait. */
  readonly readOnly?: boolean;
  /** False: writes survive a killed process, but maybe not a power cut. */
  readonly durable?: boolean;
  /** How long a write waits for another process that holds the database, in milliseconds. */
  readonly busyMs?: number;
}

/** Writes take milliseconds. A process that holds the database this long is stopped (Ctrl-Z) or hangs. */
const BUSY_MS = 30_000;

/**
 * Returns whether an error means that another process kept the database locked for the whole waiting time.
 */
export const isBusy = (error: unknown): boolean =>
  /^SQLITE_(BUSY|LOCKED)/.test((error as { code?: string } | null)?.code ?? "");

const inodeOf = (path: string): bigint | null =>
  path === ":memory:" ? 0n : (statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null);

function refuseNetwork(path: string): void {
  const type = path === ":memory:" ? null : networkFileSystem(path);
  if (type === null) return;
  throw new InvalidInputError(
    "network-database",
    `${path} lies on a network file system (${type}), where two machines could damage it; name one on a local disk, for example: --db /var/tmp/edgefront.db`,
  );
}

function requireWal(db: Database.Database, path: string): void {
  const mode = db.pragma("journal_mode = WAL", { simple: true });
  if (mode === "wal" || path === ":memory:") return;
  throw new InvalidInputError(
    "no-wal",
    `the file system of ${path} cannot keep a database that several processes use (journal mode ${mode}); name one on a local disk with --db`,
  );
}

function prepare(db: Database.Database, path: string, options: OpenOptions): void {
  const { readOnly = false, durable = true } = options;
  requireOurs(db, path);
  if (!readOnly) requireWal(db, path);
  db.pragma(`synchronous = ${durable ? "FULL" : "NORMAL"}`);
  db.pragma("foreign_keys = ON");
  if (!readOnly) migrate(db, path, options);
  else if ((db.pragma("user_version", { simple: true }) as number) < SCHEMA_VERSION)
    throw new InvalidInputError(
      "older-database",
      `${path} is of an older schema and may not be written here; ask its owner to open it with this edgefront first`,
    );
  keepStatements(db);
}

/**
 * Opens or creates the database at `path`.
 * @throws InvalidInputError with one line when it cannot be used, DatabaseBusyError when another process
 * keeps it locked.
 */
export function openDatabase(path: string, options: OpenOptions = {}): Database.Database {
  if (path === "") throw new InvalidInputError("usage", "--db is empty; name a file");
  const { mustExist = false, readOnly = false, busyMs = BUSY_MS } = options;
  if (!readOnly) refuseNetwork(path);
  let db: Database.Database | undefined;
  try {
    for (;;) {
      const before = inodeOf(path);
      db = new Database(path, { fileMustExist: mustExist, readonly: readOnly, timeout: busyMs });
      prepare(db, path, options);
      const after = inodeOf(path);
      // The process that created the file may have removed it before this connection counted as a user.
      if (after !== null && (before === null || before === after)) return db;
      db.close();
    }
  } catch (cause) {
    db?.close();
    throw explained(cause, path, options);
  }
}

function explained(cause: unknown, path: string, { mustExist }: OpenOptions): unknown {
  if (cause instanceof InvalidInputError || cause instanceof RunError) return cause;
  if (isBusy(cause)) return new DatabaseBusyError({ cause });
  const code = (cause as { code?: string }).code ?? "";
  const why = code.startsWith("SQLITE_CANTOPEN")
    ? mustExist
      ? "there is no such database; run a sweep first, or name one with --db"
      : "it cannot be opened or created; check the folder and its permissions, or name another with --db"
    : code.startsWith("SQLITE_READONLY")
      ? "it is not writable; check its permissions, or name another with --db"
      : code === "SQLITE_NOTADB"
        ? "it is not a database; name another with --db"
        : code === "SQLITE_FULL" || code.startsWith("SQLITE_IOERR")
          ? "the disk is full or failing; make room and try again"
          : (cause as Error).message;
  return new InvalidInputError("unusable-database", `cannot use the database ${path}: ${why}`, { cause });
}

/**
 * Removes an empty database that this process made, through its only remaining connection, and closes it. The
 * file stays when another process has opened it since: SQLite leaves WAL mode only for the last connection.
 */
export function discardDatabase(db: Database.Database, path: string, made: bigint): void {
  try {
    db.pragma("busy_timeout = 0");
    if (db.pragma("journal_mode = DELETE", { simple: true }) !== "delete") return;
    db.exec("BEGIN EXCLUSIVE");
    if (inodeOf(path) === made) rmSync(path);
  } catch (error) {
    if (!isBusy(error)) throw error;
  } finally {
    db.close();
  }
}
