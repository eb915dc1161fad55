// Reads a database that this user must not write: another user's, or one on a read-only or network file
// system. SQLite would leave files beside it that belong to the reader, and then its owner could not write
// any more. Therefore a private copy is read.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { networkFileSystem } from "./file-system.ts";

const TRIES = 20;

/** Returns whether opening the database like its owner could hinder the owner, or would fail. */
export function isGuest(path: string): boolean {
  try {
    const real = realpathSync(path);
    const user = process.geteuid?.() ?? 0;
    if (user !== 0 && statSync(real).uid !== user) return true;
    for (const place of [real, dirname(real)]) accessSync(place, constants.W_OK);
    return networkFileSystem(real) !== null;
  } catch {
    return existsSync(path);
  }
}

/** Returns whether the owner is connected: then SQLite's files that a reader needs already exist. */
export const isLive = (path: string): boolean =>
  networkFileSystem(path) === null &&
  ["-wal", "-shm"].every((suffix) => existsSync(realpathSync(path) + suffix));

/** A state that changes when the file is written, or its log starts over. */
function stateOf(path: string): string {
  const { ino, size, mtimeNs } = statSync(path, { bigint: true });
  const head = Buffer.alloc(32);
  if (existsSync(`${path}-wal`)) {
    const log = openSync(`${path}-wal`, "r");
    readSync(log, head, 0, 32, 0);
    closeSync(log);
  }
  return `${ino} ${size} ${mtimeNs} ${head.toString("hex")}`;
}

export interface PrivateCopy {
  readonly path: string;
  readonly folder: string;
  remove(): void;
}

/**
 * Copies one consistent state of the database into a folder that only this user can read.
 * @throws InvalidInputError (`unreadable-database`).
 */
export function copyForReading(path: string): PrivateCopy {
  let folder: string | null = null;
  try {
    const real = realpathSync(path);
    folder = mkdtempSync(join(tmpdir(), "edgefront-read-"));
    const copy = join(folder, "copy.db");
    const made = { path: copy, folder, remove: () => rmSync(made.folder, { recursive: true, force: true }) };
    for (let tries = 0; tries < TRIES; tries++) {
      const before = stateOf(real);
      copyFileSync(real, copy, constants.COPYFILE_FICLONE);
      rmSync(`${copy}-wal`, { force: true });
      if (existsSync(`${real}-wal`)) copyFileSync(`${real}-wal`, `${copy}-wal`, constants.COPYFILE_FICLONE);
      if (stateOf(real) !== before) continue;
      for (const file of [copy, `${copy}-wal`]) if (existsSync(file)) chmodSync(file, 0o600);
      return made;
    }
    throw new Error("its owner writes it faster than it can be copied; try again");
  } catch (cause) {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
    const { code, message } = cause as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "there is no such database; run a sweep first, or name one with --db"
        : code === "EACCES"
          ? "it may not be read; ask its owner for: chmod a+r on it"
          : code === "ENOSPC"
            ? `there is no room for a copy to read in ${tmpdir()}; name another folder in TMPDIR`
            : (code ?? message);
    throw new InvalidInputError("unreadable-database", `cannot read the database ${path}: ${why}`, { cause });
  }
}
