// Writing what a command made, whole or in pieces as it is made: to a file whole or not at all, or to standard output.
import { once } from "node:events";
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { InvalidInputError } from "../../candidates/errors.ts";

type Piece = string | Uint8Array;

/** Text is written once there is this much of it. */
const CHUNK = 1 << 20;

/** Small pieces of text joined. */
function* joined(pieces: Iterable<Piece>): Generator<Piece> {
  let [waiting, length]: [string[], number] = [[], 0];
  const taken = (): string => {
    const text = waiting.join("");
    [waiting, length] = [[], 0];
    return text;
  };
  for (const piece of pieces) {
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

function writeAll(file: number, piece: Piece): void {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Throws InvalidInputError (`unwritable-output`) when it cannot; nothing is left behind then, nor where making a piece fails. */
export function writeWhole(out: string, content: Piece | Iterable<Piece>): void {
  const part = `${out}.${process.pid}.part`;
  const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
  const trying = <T>(write: () => T): T => {
    try {
      return write();
    } catch (cause) {
      const why = (cause as NodeJS.ErrnoException).code ?? "unwritable";
      throw new InvalidInputError(
        "unwritable-output",
        `cannot write ${out} (${why}); name another file with --out`,
        { cause },
      );
    }
  };
  const file = trying(() => openSync(part, "w"));
  let open = true;
  try {
    for (const piece of joined(pieces)) trying(() => writeAll(file, piece));
    open = false;
    trying(() => {
      closeSync(file);
      renameSync(part, out);
    });
  } catch (error) {
    if (open) closeSync(file);
    rmSync(part, { force: true });
    throw error;
  }
}

/** To standard output; who reads slowly is waited for. */
export async function printPieces(pieces: Iterable<string>): Promise<void> {
  for (const piece of joined(pieces)) if (!process.stdout.write(piece)) await once(process.stdout, "drain");
}
