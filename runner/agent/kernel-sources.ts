// Finds the C++ files of a binary under kernels/, their flags and the headers that they include.
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CompileError } from "../devices/device-errors.ts";
import type { Arch } from "../devices/toolchain.ts";

/**
 * `llama-agent` is the agent with llama.cpp for an engine. `fuzz-NAME` builds fuzz/NAME.cc. Its main comes
 * from -fsanitize=fuzzer or fuzz/standalone.cc.
 */
export type BinaryKind = "agent" | "llama-agent" | "tests" | `fuzz-${string}`;

const BUILD_LINE = /^\/\/ build:\s*(x86_64|aarch64):\s*(.*)$/;
const FLAG = /^-(m|f|O)[A-Za-z0-9][\w.+=-]*$/;

export interface Unit {
  readonly file: string;
  /** Path and text of the source and of every header it includes, in a fixed order. */
  readonly inputs: readonly string[];
  readonly flags: readonly string[];
}

/** The translation units of a binary on an architecture, in a fixed order. */
export async function planUnits(
  kernels: string,
  kind: BinaryKind,
  arch: Arch,
  libFuzzer: boolean,
): Promise<Unit[]> {
  const units: Unit[] = [];
  for (const file of (await listFiles(kernels)).filter((f) => f.endsWith(".cc"))) {
    if (kind !== "agent" && kind !== "llama-agent" && file === "agent/main.cc") continue;
    if (
      file === "agent/native_jobs.cc"
        ? kind === "llama-agent"
        : file.startsWith("llama/") && kind !== "llama-agent"
    )
      continue;
    if (kind !== "tests" && file.startsWith("tests/")) continue;
    if (file.startsWith("fuzz/") && !isOfFuzzer(file, kind, libFuzzer)) continue;
    if (file.startsWith("bench/")) continue;
    const source = await readFile(join(kernels, file), "utf8");
    const flags = buildFlags(source, arch, file);
    if (flags) units.push({ file, inputs: await readInputs(kernels, file), flags });
  }
  return units;
}

const isOfFuzzer = (file: string, kind: BinaryKind, libFuzzer: boolean): boolean =>
  kind.startsWith("fuzz-") &&
  (file === `fuzz/${kind.slice("fuzz-".length)}.cc` || (file === "fuzz/standalone.cc" && !libFuzzer));

/** Returns the flags of the `// build:` lines; undefined when the file is for other architectures only. */
export function buildFlags(source: string, arch: Arch, file: string): string[] | undefined {
  const found = source
    .split("\n", 12)
    .map((line) => BUILD_LINE.exec(line.trim()))
    .filter((match) => match !== null)
    .map((match) => ({ arch: match[1]!, flags: match[2]! }));
  if (found.length === 0) return [];
  const mine = found.filter((f) => f.arch === arch);
  if (mine.length === 0) return undefined;
  const flags = mine.flatMap((f) => f.flags.split(/\s+/).filter(Boolean));
  const bad = flags.find((f) => !FLAG.test(f));
  if (bad) throw new CompileError(`${file}: the build line may not pass ${bad} to the compiler`);
  return flags;
}

/** Finds kernels/ of this file's package, both for the sources and for dist/. */
export function findKernels(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, "package.json")) && existsSync(join(at, "kernels"))) return join(at, "kernels");
  }
  throw new CompileError("the kernels/ folder of the package is missing", "Install edgefront again");
}

/** Paths of the files under a folder, with forward slashes, sorted. */
async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true });
  const files: string[] = [];
  for (const entry of entries)
    if ((await stat(join(root, entry))).isFile()) files.push(entry.split(sep).join("/"));
  return files.sort();
}

/** A source and the headers it includes by `#include "..."`, found in kernels/, kernels/include/ or its own folder. */
export async function readInputs(kernels: string, file: string): Promise<string[]> {
  const found = new Map<string, string>();
  const visit = async (path: string): Promise<void> => {
    if (found.has(path) || !existsSync(join(kernels, path))) return;
    const text = await readFile(join(kernels, path), "utf8");
    found.set(path, text);
    for (const [, name] of text.matchAll(/^[ \t]*#[ \t]*include[ \t]+"([^"]+)"/gm)) {
      for (const folder of ["", "include/", `${dirname(path)}/`])
        await visit(posix.normalize(folder + name!));
    }
  };
  await visit(file);
  return [...found].flat();
}
