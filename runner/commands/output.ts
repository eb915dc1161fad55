// Writes the output of a command, whole or in pieces: to a file (completely or not at all), a device, a pipe
// or standard output. output-target.ts resolves `--out`.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  close,
  constants,
  createReadStream,
  openSync,
  renameSync,
  rmSync,
  statSync,
  write,
} from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { dropAtExit, isInterrupted, keepFile } from "../base/ends.ts";
import { InterruptedError, RunError } from "../base/run-errors.ts";
import { say } from "./common.ts";
import { type OutputTarget, outputTarget } from "./output-target.ts";

type Piece = string | Uint8Array;
type Pieces = Iterable<Piece> | AsyncIterable<Piece>;

/** Text is collected up to this size before it is written. */
const CHUNK = 1 << 20;
const POLL_MS = 50;

const writeSome = promisify(write);
const closeFile = promisify(close);

/** Joins small pieces of text. */
async function* joined(pieces: Pieces): AsyncGenerator<Piece> {
  let [waiting, length]: [string[], number] = [[], 0];
  const taken = (): string => {
    const text = waiting.join("");
    [waiting, length] = [[], 0];
    return text;
  };
  for await (const piece of pieces) {
    if (typeof piece !== "string") {
      if (length > 0) yield taken();
      yield piece;
      continue;
    }
    waiting.push(piece);
    length += piece.length;
    if (length >= CHUNK) yield taken();
  }
  if (length > 0) yield taken();
}

const stopWhenInterrupted = (): void => {
  if (isInterrupted()) throw new InterruptedError("interrupted: the output was not written");
};

async function writeAll(fd: number, piece: Piece): Promise<void> {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += (await writeSome(fd, bytes, at, bytes.length - at)).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      stopWhenInterrupted();
      await sleep(POLL_MS); // the pipe is full
    }
  }
}

/** Opens without blocking: a pipe without a reader would block the whole process, Ctrl-C included. */
async function openStream(path: string): Promise<number> {
  for (let told = false; ; told = true) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO" || !statSync(path).isFIFO()) throw error;
    }
    if (!told) say(`the pipe ${path} has no reader: waiting for one (Ctrl-C stops waiting)`);
    stopWhenInterrupted();
    await sleep(POLL_MS);
  }
}

/** Removes an unfinished file, and the partial file that a writer may have left beside it. */
function drop(part: string): void {
  for (const path of [part, `${part}.part`]) {
    rmSync(path, { force: true });
    keepFile(path);
  }
}

/** Has `make` write a new file beside its place, and renames it. */
async function replaceFile(
  { path, before }: Extract<OutputTarget, { kind: "file" }>,
  make: (part: string) => Promise<void>,
): Promise<void> {
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  for (const name of [part, `${part}.part`]) dropAtExit(name);
  try {
    await make(part);
    if (before !== null) {
      chmodSync(part, before.mode & 0o7777);
      if (process.geteuid?.() === 0) chownSync(part, before.uid, before.gid);
    }
    renameSync(part, path);
  } finally {
    drop(part);
  }
}

/** Has `make` write a temporary file in the folder `scratch()`, which `use` may read. It is removed afterwards. */
export async function withScratch(
  scratch: () => string,
  make: (part: string) => Promise<void>,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const path = `${scratch()}/${randomBytes(8).toString("hex")}`;
  await replaceFile({ kind: "file", path, before: null }, make);
  dropAtExit(path);
  try {
    await use(path);
  } finally {
    drop(path);
  }
}

/**
 * Has `make` write a file, and moves or copies it to `out`, which may be a stream. `scratch`: a folder for a
 * temporary file.
 */
export async function writeBy(
  out: string,
  scratch: () => string,
  make: (part: string) => Promise<void>,
): Promise<void> {
  const target = outputTarget(out);
  if (target.kind === "file") return replaceFile(target, make);
  await withScratch(scratch, make, (path) => writeWhole(out, createReadStream(path)));
}

async function writeTo(target: OutputTarget, pieces: Pieces): Promise<void> {
  if (target.kind === "descriptor" && target.fd === 1) return printPieces(pieces);
  if (target.kind === "file") {
    return replaceFile(target, async (part) => {
      const file = await open(part, "wx");
      try {
        for await (const piece of joined(pieces)) await writeAll(file.fd, piece);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  }
  const fd =
    target.kind === "descriptor"
      ? target.fd
      : target.kind === "stream"
        ? await openStream(target.path)
        : openSync(target.path, constants.O_WRONLY | constants.O_TRUNC);
  try {
    for await (const piece of joined(pieces)) await writeAll(fd, piece);
  } finally {
    if (target.kind !== "descriptor") await closeFile(fd);
  }
}

/**
 * Writes the whole content. If writing fails, an existing file is unchanged and no partial file remains.
 * @throws InvalidInputError (`unwritable-output`) if `out` cannot be written, RunError (`output-failed`) if
 * writing fails later.
 */
export async function writeWhole(out: string, content: Piece | Pieces): Promise<void> {
  const target = outputTarget(out);
  const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
  try {
    await writeTo(target, pieces);
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new RunError(
      "output-failed",
      `cannot write ${out} (${code}); free disk space, or name another file with --out`,
      {
        cause,
      },
    );
  }
}

/** Writes to standard output, at the speed of its reader. */
export async function printPieces(pieces: Pieces): Promise<void> {
  for await (const piece of joined(pieces))
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
}
