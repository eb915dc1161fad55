// Compiles kernels/precompiled.h once for all files of a build, in a temporary folder: the result has some
// 60 MB and serves only this build.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const PRECOMPILED = "precompiled.h";

/** Headers that the compiler reads before each file, by `flags`. */
export interface Precompiled {
  readonly flags: readonly string[];
  remove(): Promise<void>;
}

/**
 * Compiles the headers with `compile`, which returns whether it succeeded. If it fails, as on a full disk, the
 * flags name the text of the headers: the objects are the same, only later.
 */
export async function precompile(
  kernels: string,
  compile: (header: string, output: string) => Promise<boolean>,
): Promise<Precompiled> {
  const asText = includeFirst(kernels);
  const folder = await mkdtemp(join(tmpdir(), "edgefront-headers-")).catch(() => null);
  if (folder === null) return { flags: asText, remove: async () => {} };
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const header = join(folder, PRECOMPILED);
    await copyFile(join(kernels, PRECOMPILED), header);
    // The compiler looks for this name beside the header.
    const done = await compile(header, `${header}.gch`);
    return { flags: done ? includeFirst(folder) : asText, remove };
  } catch {
    return { flags: asText, remove };
  }
}

/** Returns the flags that put the text of the headers before a file. */
export const includeFirst = (folder: string): readonly string[] => ["-include", join(folder, PRECOMPILED)];
