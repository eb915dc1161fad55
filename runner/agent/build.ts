// Builds the C++ under kernels/ for a target: reads the sources' `// build:` lines, compiles in parallel and links. Objects and
// binaries are cached under the hash of all inputs and sealed by the hash of their bytes, so damaged files are built again. Parallel
// builds write under names of their own and rename. Finding a compiler is left to toolchain.ts.
import { createHash } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { partOf, publishSealed, unbroken } from "../base/durable-files.ts";
import { helperEnvironment } from "../base/helper-environment.ts";
import { runHelper } from "../base/helper-program.ts";
import { cacheFolder, cachePath } from "../base/paths.ts";
import { CompileError, CompilerMissingError } from "../devices/device-errors.ts";
import {
  archOf,
  DYNAMIC_LINKS,
  findToolchain,
  type Target,
  type Toolchain,
  translateFlags,
} from "../devices/toolchain.ts";
import { type BinaryKind, findKernels, planUnits, readInputs, type Unit } from "./kernel-sources.ts";
import { includeFirst, PRECOMPILED, type Precompiled, precompile } from "./precompile.ts";

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
/** From this many files to compile on, precompiling their common headers saves time. */
const MANY = 10;
const COMMON_FLAGS = ["-std=c++20", "-O3", "-pthread"];

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
  const instrumentFlags = request.instrument?.flags ?? [];
  const sharedFlags = [...COMMON_FLAGS, ...instrumentFlags, `-ffile-prefix-map=${kernels}=kernels`];
  const headers =
    toolchain.flavour === "gnu" && !request.instrument ? await readInputs(kernels, PRECOMPILED) : [];
  const takesHeaders = (unit: Unit): boolean => headers.length > 0 && unit.flags.length === 0;
  const identity = [toolchain.command.join(" "), toolchain.version];
  const keys = units.map((u) =>
    hash([
      ...[...identity, ...COMMON_FLAGS, ...u.flags, u.file, ...u.inputs, ...instrumentFlags],
      ...(takesHeaders(u) ? headers : []),
    ]),
  );
  const linkFlags = request.kind === "llama-agent" ? DYNAMIC_LINKS : toolchain.linkFlags;
  const binaryKey = hash([...keys, JSON.stringify(linkFlags)]);
  const name = `edgefront-${request.kind}`;
  const path = join(cache, binaryKey, name);
  const built = { path, target: request.target, compiler: toolchain.version };
  const known = await unbroken(path);
  if (known !== null) return { ...built, sha256: known, cached: true };
  cacheFolder("build", "objects");

  const objects = keys.map((key) => join(cache, "objects", `${key}.o`));
  const missing = new Set<Unit>();
  for (const [i, unit] of units.entries()) if ((await unbroken(objects[i]!)) === null) missing.add(unit);
  const waiting = units.filter((unit) => missing.has(unit) && takesHeaders(unit));
  const precompiled =
    waiting.length >= MANY ? precompileFor(toolchain, kernels, sharedFlags, request.signal) : null;
  // Files that do not wait for the headers come first.
  const order = [...units.filter((unit) => !waiting.includes(unit)), ...waiting];
  let done = 0;
  try {
    await inParallel(order, availableParallelism(), async (unit) => {
      if (missing.has(unit)) {
        const first = takesHeaders(unit) ? ((await precompiled)?.flags ?? includeFirst(kernels)) : [];
        const flags = [...sharedFlags, ...translateFlags(toolchain, unit.flags), ...first];
        await compile(toolchain, kernels, unit, flags, objects[units.indexOf(unit)]!, request.signal);
      }
      done++;
      request.onProgress?.({ done, total: units.length, file: unit.file });
    });
  } finally {
    await (await precompiled)?.remove();
  }
  const sha256 = await link({ ...toolchain, linkFlags }, objects, path, request.signal);
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

/** The environment of compiler and linker. zig caches the C libraries that it builds, which takes some seconds. */
function environmentOf(toolchain: Toolchain): Record<string, string> {
  const clean = { ...helperEnvironment(), LC_ALL: "C" };
  if (toolchain.flavour !== "zig") return clean;
  return {
    ...clean,
    ZIG_GLOBAL_CACHE_DIR: process.env.ZIG_GLOBAL_CACHE_DIR ?? join(cacheDirectory(), "zig"),
  };
}

function precompileFor(
  toolchain: Toolchain,
  kernels: string,
  flags: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Precompiled> {
  const [program, ...first] = toolchain.command;
  return precompile(kernels, async (header, output) => {
    const args = [...first, ...flags, "-x", "c++-header", header, "-o", output];
    const run = await runHelper(program, args, { cancelSignal: signal, env: environmentOf(toolchain) });
    return run.exitCode === 0;
  });
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
