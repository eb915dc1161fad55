// Writing what a command made to a file: whole or not at all.
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { InvalidInputError } from "../../candidates/errors.ts";

/** Throws InvalidInputError (`unwritable-output`) when it cannot; nothing is left behind then. */
export function writeWhole(out: string, content: string | Uint8Array): void {
  const part = `${out}.${process.pid}.part`;
  try {
    writeFileSync(part, content);
    renameSync(part, out);
  } catch (cause) {
    rmSync(part, { force: true });
    const why = (cause as NodeJS.ErrnoException).code ?? "unwritable";
    throw new InvalidInputError(
      "unwritable-output",
      `cannot write ${out} (${why}); name another file with --out`,
      { cause },
    );
  }
}
