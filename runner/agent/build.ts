// Builds the C++ under kernels/ for a target: reads the sources' `// build:` lines, compiles in parallel and links. Objects and
// binaries are cached under the hash of all inputs and sealed by the hash of their bytes, so damaged files are built again. Parallel
// builds write under names of their own and rename. Finding a compiler is left to toolchain.ts.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, posix, resolve, sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { partOf, publishSealed, unbroken } from "../base/durable-files.ts";
import { helperEnvironment } from "../base/helper-environment.ts";
import { runHelper } from "../base/helper-program.ts";
import { cacheFolder, cachePath } from "../base/paths.ts";
import { CompileError, CompilerMissingError } from "../devices/device-errors.ts";
import {
  type Arch,
  archOf,
  findToolchain,
  type Target,
  type Toolchain,
  translateFlags,
} from "../devices/toolchain.ts";

/** `fuzz-NAME` builds fuzz/NAME.cc. Its main comes from -fsanitize=fuzzer or fuzz/standalone.cc. */
export type BinaryKind = "agent" | "tests" | `fuzz-${string}`;
export interface BuildProgress {
  readonly done: number;
  readonly total: number;
  readonly file: string;
}
export interface BuildRequest {
  readonly target: Target;
  readonly kind: BinaryKind;
  /** True for a device: with zig, the binary then runs on any system of the target. Default: for this machine. */
  readonly portable?: boolean;
  /** A compiler and flags for a test build that is not shipped: sanitizers, a fuzzer. */
  readonly instrument?: { readonly compiler: string; readonly flags: readonly string[] };
  /** Default: the kernels/ folder of this package. */
  readonly kernels?: string;
  readonly onProgress?: (progress: BuildProgress) => void;
  readonly signal?: AbortSignal;
}
export interface BuiltBinary {
  readonly path: string;
  readonly sha256: string;
  readonly target: Target;
  readonly compiler: string;
  /** True when nothing had to be compiled or linked. */
  readonly cached: boolean;
}

const INTERRUPT_MS = 50;
const COMMON_FLAGS = ["-std=c++20", "-O3", "-Wall", "-Wextra", "-pthread"];
const BUILD_LINE = /^\/\/ build:\s*(x86_64|aarch64):\s*(.*)$/;
const FLAG = /^-(m|f|O)[A-Za-z0-9][\w.+=-]*$/;

/** Returns the folder of cached objects and binaries. */
export const cacheDirectory = (): string => cachePath("build");

/**
 * Builds a binary, or finds it in the cache.
 * @throws CompilerMissingError, CompileError.
 */
export async function buildAgent(request: BuildRequest): Promise<BuiltBinary> {
  const kernels = resolve(request.kernels ?? findKernels());
  const toolchain = request.instrument
    ? await instrumented(request.instrument)
    : await findToolchain(request.target, request.portable ? "anywhere" : "here");
  const cache = cacheDirectory();
  const libFuzzer = request.instrument?.flags.some((flag) => /^-fsanitize=.*\bfuzzer\b/.test(flag)) ?? false;
  const units = await planUnits(kernels, request.kind, archOf(request.target), libFuzzer);
  const flagsOf = (unit: Unit) => [
    ...COMMON_FLAGS,
    ...(request.instrument?.flags ?? []),
    ...translateFlags(toolchain, unit.flags),
    `-ffile-prefix-map=${kernels}=kernels`,
  ];
  const instrumentFlags = request.instrument?.flags ?? [];
  const identity = [toolchain.command.join(" "), toolchain.version];
  const keys = units.map((u) =>
    hash([...identity, ...COMMON_FLAGS, ...u.flags, u.file, ...u.inputs, ...instrumentFlags]),
  );
  const binaryKey = hash([...keys, JSON.stringify(toolchain.linkFlags)]);
  const name = `edgefront-${request.kind}`;
  const path = join(cache, binaryKey, name);
  const built = { path, target: request.target, compiler: toolchain.version };
  const known = await unbroken(path);
  if (known !== null) return { ...built, sha256: known, cached: true };
  cacheFolder("build", "objects");

  const objects = keys.map((key) => join(cache, "objects", `${key}.o`));
  let done = 0;
  await inParallel(units, availableParallelism(), async (unit, i) => {
    if ((await unbroken(objects[i]!)) === null)
      await compile(toolchain, kernels, unit, flagsOf(unit), objects[i]!, request.signal);
    done++;
    request.onProgress?.({ done, total: units.length, file: unit.file });
  });
  const sha256 = await link(toolchain, objects, path, request.signal);
  return { ...built, sha256, cached: false };
}

async function instrumented(instrument: NonNullable<BuildRequest["instrument"]>): Promise<Toolchain> {
  const { compiler, flags } = instrument;
  const answer = await runHelper(compiler, ["--version"], { timeout: 30_000 });
  if (answer.exitCode !== 0)
    throw new CompilerMissingError(
      `there is no ${compiler}`,
      `Install it, for example with \`apt-get install ${compiler.replace("++", "")}\``,
    );
  return { command: [compiler], version: answer.stdout.split("\n")[0]!, flavour: "gnu", linkFlags: [flags] };
}

interface Unit {
  readonly file: string;
  /** Path and text of the source and of every header it includes, in a fixed order. */
  readonly inputs: readonly string[];
  readonly flags: readonly string[];
}

/** The translation units of a binary on an architecture, in a fixed order. */
async function planUnits(kernels: string, kind: BinaryKind, arch: Arch, libFuzzer: boolean): Promise<Unit[]> {
  const units: Unit[] = [];
  for (const file of (await listFiles(kernels)).filter((f) => f.endsWith(".cc"))) {
    if (kind !== "agent" && file === "agent/main.cc") continue;
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

/** The environment of compiler and linker. zig caches the C libraries that it builds, which takes some seconds. */
function environmentOf(toolchain: Toolchain): Record<string, string> {
  const clean = { ...helperEnvironment(), LC_ALL: "C" };
  if (toolchain.flavour !== "zig") return clean;
  return {
    ...clean,
    ZIG_GLOBAL_CACHE_DIR: process.env.ZIG_GLOBAL_CACHE_DIR ?? join(cacheDirectory(), "zig"),
  };
}

async function compile(
  toolchain: Toolchain,
  kernels: string,
  unit: Unit,
  flags: readonly string[],
  object: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [program, ...first] = toolchain.command;
  const temporary = `${partOf(object)}.o`;
  const args = [
    ...first,
    ...flags,
    `-I${kernels}`,
    `-I${join(kernels, "include")}`,
    "-c",
    join(kernels, unit.file),
  ];
  const run = await runHelper(program, [...args, "-o", temporary], {
    cancelSignal: signal,
    env: environmentOf(toolchain),
  });
  try {
    // Ctrl-C also reaches the compiler, perhaps before this process.
    if (run.terminated) await sleep(INTERRUPT_MS);
    signal?.throwIfAborted();
    if (run.exitCode !== 0) {
      throw new CompileError(
        `${unit.file} does not compile with ${toolchain.version}:\n${run.stderr.slice(0, 4000)}`,
      );
    }
    // A file edited during compilation would be cached under the wrong hash.
    if (hash(await readInputs(kernels, unit.file)) !== hash(unit.inputs)) {
      throw new CompileError(`${unit.file} or a header of it changed while it was compiled`, "Run it again");
    }
    await publishSealed(temporary, object);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** @returns the digest of the binary. */
async function link(
  toolchain: Toolchain,
  objects: string[],
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const [program, ...first] = toolchain.command;
  await mkdir(dirname(path), { recursive: true });
  const temporary = partOf(path);
  const responses: string[] = [];
  try {
    for (const flags of toolchain.linkFlags) {
      const list = `${temporary}.objects`;
      await writeFile(list, objects.map((o) => JSON.stringify(o)).join("\n"));
      const run = await runHelper(program, [...first, "-pthread", ...flags, `@${list}`, "-o", temporary], {
        cancelSignal: signal,
        env: environmentOf(toolchain),
      });
      await rm(list, { force: true });
      signal?.throwIfAborted();
      if (run.exitCode === 0) return await publishSealed(temporary, path);
      responses.push(run.stderr);
    }
    throw new CompileError(`linking failed with ${toolchain.version}:\n${responses[0]!.slice(0, 4000)}`);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Finds kernels/ of this file's package, both for the sources and for dist/. */
function findKernels(): string {
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
async function readInputs(kernels: string, file: string): Promise<string[]> {
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

function hash(parts: readonly string[]): string {
  const h = createHash("sha256");
  for (const part of parts) h.update(`${Buffer.byteLength(part)}:`).update(part);
  return h.digest("hex");
}

/** Starts no more work after the first failure, and rejects once the running work has ended. */
async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
) {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      await work(items[index]!, index).catch((error) => {
        failed = true;
        throw error;
      });
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  const failure = ends.find((end) => end.status === "rejected");
  if (failure) throw failure.reason;
}
