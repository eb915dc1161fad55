// Writing what a command made, whole or in pieces as it is made: to a file whole or not at all, into a device or a pipe, or to standard
// output. What `--out` names is looked at in output-target.ts.
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

/** Text is written once there is this much of it. */
const CHUNK = 1 << 20;
const POLL_MS = 50;

const writeSome = promisify(write);
const closeFile = promisify(close);

/** Small pieces of text joined. */
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
  if (isInterrupted()) throw new InterruptedError("interrupted; the output was not written");
};

async function writeAll(fd: number, piece: Piece): Promise<void> {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += (await writeSome(fd, bytes, at, bytes.length - at)).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      stopWhenInterrupted();
      await sleep(POLL_MS); // a full pipe
    }
  }
}

/** Without blocking: a pipe that nobody reads yet would hold the whole process, Ctrl-C included. */
async function openStream(path: string): Promise<number> {
  for (let told = false; ; told = true) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO" || !statSync(path).isFIFO()) throw error;
    }
    if (!told) say(`nobody reads the pipe ${path} yet: waiting for a reader. Ctrl-C ends it`);
    stopWhenInterrupted();
    await sleep(POLL_MS);
  }
}

/** Removes a file that was not finished, and what a writer may have left beside it. */
function drop(part: string): void {
  for (const path of [part, `${part}.part`]) {
    rmSync(path, { force: true });
    keepFile(path);
  }
}

/** Has `make` write a new file beside its place, and moves it there. */
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

/** Has `make` write a file, and puts it where `target` says: also where only a stream of bytes can go. `scratch`: a folder for it. */
export async function writeBy(
  out: string,
  scratch: () => string,
  make: (part: string) => Promise<void>,
): Promise<void> {
  const target = outputTarget(out);
  if (target.kind === "file") return replaceFile(target, make);
  const path = `${scratch()}/${randomBytes(8).toString("hex")}`;
  await replaceFile({ kind: "file", path, before: null }, make);
  dropAtExit(path);
  try {
    await writeWhole(out, createReadStream(path));
  } finally {
    drop(path);
  }
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
 * Throws InvalidInputError (`unwritable-output`) where nothing can be written there, RunError (`output-failed`) where writing fails on the
 * way. A file is then as it was before; nothing is left beside it.
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
      `cannot write ${out} (${code}); make room, or name another file with --out`,
      {
        cause,
      },
    );
  }
}

/** To standard output; who reads slowly is waited for. */
export async function printPieces(pieces: Pieces): Promise<void> {
  for await (const piece of joined(pieces))
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
}
