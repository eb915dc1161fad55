// Finds a C++20 compiler for a target and says which flags it needs. Native: $CXX, c++, g++, clang++. Cross: zig (musl, static),
// else the distribution's cross g++. Leaves compiling to build.ts.
import { execa } from "execa";
import { CompilerMissingError } from "./errors.ts";

export const TARGETS = ["x86_64-linux", "aarch64-linux"] as const;
export type Target = (typeof TARGETS)[number];
export type Arch = "x86_64" | "aarch64";

export interface Toolchain {
  /** Program and fixed first arguments, e.g. ["zig", "c++", "-target", "aarch64-linux-musl"]. */
  readonly command: readonly [string, ...string[]];
  /** What the compiler says of itself; part of every cache key. */
  readonly version: string;
  readonly flavour: "zig" | "gnu";
  /** Ways to link, the best first. */
  readonly linkFlags: readonly (readonly string[])[];
}

export function archOf(target: Target): Arch {
  return target === "x86_64-linux" ? "x86_64" : "aarch64";
}

/** The target this machine can run without an emulator; undefined on anything but Linux on the two architectures. */
export function hostTarget(): Target | undefined {
  if (process.platform !== "linux") return undefined;
  return process.arch === "x64" ? "x86_64-linux" : process.arch === "arm64" ? "aarch64-linux" : undefined;
}

// Android 15 may use pages of 16 KiB: a segment aligned to less is not mapped there.
const STRIP = ["-Wl,-z,max-page-size=16384", "-Wl,--build-id=none", "-s"];
const GNU_LINKS = [["-static", ...STRIP], ["-static-libstdc++", "-static-libgcc", ...STRIP], ["-s"]];
const ZIG_LINKS = [["-static", "-Wl,-z,max-page-size=16384", "-s"]];

/** @throws CompilerMissingError when no candidate answers --version. */
export async function findToolchain(target: Target): Promise<Toolchain> {
  const zigTarget = ["-target", `${archOf(target)}-linux-musl`];
  const zig: Toolchain["command"][] = [
    ["zig", "c++", ...zigTarget],
    ["python3", "-m", "ziglang", "c++", ...zigTarget],
  ];
  const environment = process.env.CXX?.trim().split(/\s+/).filter(Boolean) ?? [];
  const native: Toolchain["command"][] = [["c++"], ["g++"], ["clang++"]];
  if (environment[0]) native.unshift(environment as [string, ...string[]]);
  const isNative = target === hostTarget();
  const candidates: Toolchain["command"][] = isNative
    ? [...native, ...zig]
    : [...zig, [`${archOf(target)}-linux-gnu-g++`]];
  for (const command of candidates) {
    const [program, ...args] = command;
    const answer = await execa(program, [...args, "--version"], { reject: false, timeout: 30_000 });
    if (answer.exitCode !== 0) continue;
    const flavour =
      command.includes("c++") && command.length > 1 && /zig/.test(command.join(" ")) ? "zig" : "gnu";
    const version = answer.stdout.split("\n").slice(0, 2).join("; ").trim();
    return { command, version, flavour, linkFlags: flavour === "zig" ? ZIG_LINKS : GNU_LINKS };
  }
  throw new CompilerMissingError(
    `no C++20 compiler for ${target} was found (tried ${candidates.map((c) => c.join(" ")).join(", ")})`,
    isNative
      ? "Install one, for example with `apt-get install g++`, or name one in $CXX"
      : `Install one, for example with \`pip install ziglang\` or \`apt-get install g++-${archOf(target).replace("_", "-")}-linux-gnu\``,
  );
}

/** Flags for one object, in the toolchain's own dialect: zig takes CPU features as -mcpu, not as -march. */
export function translateFlags(toolchain: Toolchain, flags: readonly string[]): string[] {
  if (toolchain.flavour !== "zig") return [...flags];
  return flags.map((flag) => {
    const arm = /^-march=armv(\d(?:\.\d)?)-a((?:\+[a-z0-9]+)*)$/.exec(flag);
    if (!arm) return flag;
    const features = arm[2]!.replace(/\+fp16(?=\+|$)/g, "+fullfp16").replace(/\+simd(?=\+|$)/g, "");
    return `-mcpu=generic+v${arm[1]!.replace(".", "_")}a${features}`;
  });
}
