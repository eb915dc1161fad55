// Resolves `--out` to a file, a file behind a symlink, a device, a pipe or an open descriptor, and checks
// that it can be written. Commands check before work starts, so that hours of measuring do not end at a
// missing folder.
import {
  accessSync,
  constants,
  fstatSync,
  lstatSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";

export type OutputTarget =
  /** Written beside its place, then renamed. Mode and owner are those of the existing file (`before`). */
  | { readonly kind: "file"; readonly path: string; readonly before: Stats | null }
  /** A file that cannot be replaced, because of its folder, owner or a second hard link. */
  | { readonly kind: "in-place"; readonly path: string }
  /** A terminal, /dev/null or a named pipe: no file is created or removed. */
  | { readonly kind: "stream"; readonly path: string }
  /** /dev/stdout, /dev/fd/3 and the like. */
  | { readonly kind: "descriptor"; readonly fd: number };

const unwritable = (
  out: string,
  why: string,
  next = "name another file with --out",
  cause?: unknown,
): InvalidInputError =>
  new InvalidInputError("unwritable-output", `cannot write ${out}: ${why}; ${next}`, { cause });

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unwritable";

const NAMES: Readonly<Record<string, number>> = { "/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2 };

/** Returns the open descriptor that a path stands for, also behind symlinks; null for an ordinary path. */
function descriptorOf(path: string): number | null {
  let at = resolve(path);
  for (let links = 0; links < 40; links++) {
    const number = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(at)?.[1];
    if (number !== undefined) return Number(number);
    if (at in NAMES) return NAMES[at]!;
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) return null;
    at = resolve(dirname(at), readlinkSync(at));
  }
  return null;
}

/** Returns the target of a symlink, even if the target does not exist yet. */
function placeOf(out: string): string {
  let at = resolve(out);
  for (let links = 0; links < 40; links++) {
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) break;
    at = resolve(dirname(at), readlinkSync(at));
  }
  try {
    return join(realpathSync(dirname(at)), basename(at));
  } catch (cause) {
    const why = codeOf(cause) === "ENOENT" ? `there is no folder ${dirname(at)}` : codeOf(cause);
    throw unwritable(out, why, undefined, cause);
  }
}

const mayWrite = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** Whether a rename over the file keeps its owner and its hard links. */
function replaceable(path: string, { nlink, uid, gid }: Stats): boolean {
  const [user, group] = [process.geteuid?.() ?? uid, process.getegid?.() ?? gid];
  return nlink === 1 && mayWrite(dirname(path)) && (user === 0 || (uid === user && gid === group));
}

function fileTarget(out: string, path: string): OutputTarget {
  const folder = dirname(path);
  const before = statSync(path, { throwIfNoEntry: false }) ?? null;
  if (before === null) {
    if (out.endsWith("/")) throw unwritable(out, "it is a folder", "name a file in it");
    if (!mayWrite(folder)) throw unwritable(out, `the folder ${folder} cannot be written`);
    return { kind: "file", path, before };
  }
  if (before.isDirectory())
    throw unwritable(out, "it is a folder", `name a file in it, such as ${join(out, "report.html")}`);
  if (before.isBlockDevice() || before.isSocket()) throw unwritable(out, "it is a disk or a socket");
  // Root could write the file, but someone removed the write bits on purpose.
  const readOnly = before.isFile() && (before.mode & 0o222) === 0;
  if (readOnly || !mayWrite(path))
    throw unwritable(out, "it is read-only", `allow it with: chmod u+w ${out}`);
  if (!before.isFile()) return { kind: "stream", path };
  return replaceable(path, before) ? { kind: "file", path, before } : { kind: "in-place", path };
}

/**
 * Returns the target of `--out`. Changes nothing.
 * @throws InvalidInputError (`unwritable-output`) with the reason if it cannot be written.
 */
export function outputTarget(out: string): OutputTarget {
  const fd = out === "-" ? 1 : descriptorOf(out);
  if (fd !== null) {
    try {
      fstatSync(fd);
    } catch (cause) {
      throw unwritable(out, `descriptor ${fd} is not open`, undefined, cause);
    }
    return { kind: "descriptor", fd };
  }
  try {
    return fileTarget(out, placeOf(out));
  } catch (cause) {
    throw cause instanceof InvalidInputError ? cause : unwritable(out, codeOf(cause), undefined, cause);
  }
}
