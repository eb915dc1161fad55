// Finds a C++20 compiler for a target, with its flags. Native: $CXX, c++, g++, clang++. Cross: zig (musl,
// static), else the distribution's cross g++. build.ts compiles.

import { fromHere, runHelper } from "../base/helper-program.ts";
import { CompilerMissingError } from "./device-errors.ts";

export const TARGETS = ["x86_64-linux", "aarch64-linux"] as const;
export type Target = (typeof TARGETS)[number];
export type Arch = "x86_64" | "aarch64";

export interface Toolchain {
  /** Program and fixed first arguments, e.g. ["zig", "c++", "-target", "aarch64-linux-musl"]. */
  readonly command: readonly [string, ...string[]];
  /** The compiler's version text; part of every cache key. */
  readonly version: string;
  readonly flavour: "zig" | "gnu";
  /** Ways to link, the best first. */
  readonly linkFlags: readonly (readonly string[])[];
}

/** Returns the architecture of a target. */
export function archOf(target: Target): Arch {
  return target === "x86_64-linux" ? "x86_64" : "aarch64";
}

/**
 * Returns the target that this machine runs without an emulator; undefined on other systems and
 * architectures.
 */
export function hostTarget(): Target | undefined {
  if (process.platform !== "linux") return undefined;
  return process.arch === "x64" ? "x86_64-linux" : process.arch === "arm64" ? "aarch64-linux" : undefined;
}

// Android 15 may use pages of 16 KiB and does not map segments with smaller alignment.
const STRIP = ["-Wl,-z,max-page-size=16384", "-Wl,--build-id=none", "-s"];
const GNU_LINKS = [["-static", ...STRIP], ["-static-libstdc++", "-static-libgcc", ...STRIP], ["-s"]];
/** The way to link a program that opens libraries of the machine: a static one cannot. */
export const DYNAMIC_LINKS: Toolchain["linkFlags"] = [["-s"]];
const ZIG_LINKS = [["-static", "-Wl,-z,max-page-size=16384", "-s"]];

type Command = readonly [string, ...string[]];

/** Returns a command from the environment, split at blanks; none if unset. */
function fromEnvironment(name: string): Command[] {
  const words = process.env[name]?.trim().split(/\s+/).filter(Boolean) ?? [];
  const [program, ...args] = words;
  return program === undefined ? [] : [[fromHere(program), ...args]];
}

/** Returns the output of a program; null if it is missing or fails. */
async function answerOf([program, ...args]: Command, ...more: readonly string[]): Promise<string | null> {
  const answer = await runHelper(program, [...args, ...more], { timeout: 30_000 });
  return answer.exitCode === 0 ? answer.stdout.split("\n").slice(0, 2).join("; ").trim() : null;
}

/** Finds zig: $EDGEFRONT_ZIG, the path, or Python's `ziglang` package. Returns null if there is none. */
async function findZig(target: Target): Promise<Toolchain | null> {
  for (const zig of [
    ...fromEnvironment("EDGEFRONT_ZIG"),
    ["zig"],
    ["python3", "-m", "ziglang"],
  ] as Command[]) {
    const version = await answerOf(zig, "version");
    if (version === null) continue;
    const [program, ...args] = zig;
    return {
      command: [program, ...args, "c++", "-target", `${archOf(target)}-linux-musl`],
      // zig's version determines compiler, libraries and linker, wherever it is installed.
      version: `zig ${version}`,
      flavour: "zig",
      linkFlags: ZIG_LINKS,
    };
  }
  return null;
}

async function findGnu(commands: readonly Command[]): Promise<Toolchain | null> {
  for (const command of commands) {
    const version = await answerOf(command, "--version");
    if (version !== null) return { command, version, flavour: "gnu", linkFlags: GNU_LINKS };
  }
  return null;
}

/**
 * Returns a compiler. `here`: for this machine, so its own compiler comes first. `anywhere`: for a device, so
 * zig comes first: its static musl binary runs on Android and on any Linux, and has the same bytes on every
 * building machine.
 * @throws CompilerMissingError if no candidate works.
 */
export async function findToolchain(target: Target, use: "here" | "anywhere" = "here"): Promise<Toolchain> {
  const isNative = target === hostTarget();
  const native: Command[] = [...fromEnvironment("CXX"), ["c++"], ["g++"], ["clang++"]];
  const gnu: Command[] = isNative ? native : [[`${archOf(target)}-linux-gnu-g++`]];
  const order = isNative && use === "here" ? [findGnu, findZig] : [findZig, findGnu];
  for (const find of order) {
    const found = find === findZig ? await findZig(target) : await findGnu(gnu);
    if (found !== null) return found;
  }
  const tried = ["$EDGEFRONT_ZIG", "zig", "python3 -m ziglang", ...gnu.map((command) => command.join(" "))];
  throw new CompilerMissingError(
    `no C++20 compiler for ${target} was found (tried ${tried.join(", ")})`,
    isNative
      ? "Install one, for example: apt-get install g++. Or name one in $CXX"
      : `Install one, for example with \`pip install ziglang\` or \`apt-get install g++-${archOf(target).replace("_", "-")}-linux-gnu\``,
  );
}

/** Returns an object's flags in the toolchain's dialect: zig takes CPU features as -mcpu, not as -march. */
export function translateFlags(toolchain: Toolchain, flags: readonly string[]): string[] {
  if (toolchain.flavour !== "zig") return [...flags];
  return flags.map((flag) => {
    const arm = /^-march=armv(\d(?:\.\d)?)-a((?:\+[a-z0-9]+)*)$/.exec(flag);
    if (!arm) return flag;
    const features = arm[2]!.replace(/\+fp16(?=\+|$)/g, "+fullfp16").replace(/\+simd(?=\+|$)/g, "");
    return `-mcpu=generic+v${arm[1]!.replace(".", "_")}a${features}`;
  });
}
