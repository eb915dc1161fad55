// Needs of a test beyond Node and a compiler. If a need is missing, the test is listed as skipped with the
// reason. In CI, where .ci/run installs everything, a missing need is a failure.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { findToolchain, hostTarget } from "../../runner/devices/toolchain.ts";
import { llamaFolder } from "../../runner/runtimes/llama-folder.ts";
import { missingForBochs } from "./bochs.ts";
import { chromiumPath } from "./browser.ts";
import { hasSshd } from "./sshd.ts";

function skipped(reason: string): string {
  process.stderr.write(`skipped: ${reason}\n`);
  return reason;
}

function missing(reason: string): string {
  if (process.env.CI) throw new Error(`${reason} (in CI nothing may be missing)`);
  return skipped(reason);
}

/** Returns null where a real sshd can be started, else the reason. */
export function sshdProblem(): string | null {
  return hasSshd ? null : missing("no sshd on this machine; install openssh-server");
}

const crossCompiler = await findToolchain("aarch64-linux").then(
  () => true,
  () => false,
);

/** Returns null where agents for this machine itself can be built, else the reason. */
export function hostProblem(): string | null {
  return hostTarget() === undefined ? skipped("no agents are built for this kind of machine") : null;
}

/** Returns null where aarch64 programs can be built and run under an emulator, else the reason. */
export function emulationProblem(): string | null {
  if (hostTarget() !== "x86_64-linux") return skipped("emulated aarch64 is tested on x86-64 hosts only");
  if (!crossCompiler) return missing("no aarch64 compiler; install g++-aarch64-linux-gnu, or ziglang");
  const { error } = spawnSync("qemu-aarch64-static", ["--version"]);
  return error === undefined ? null : missing("no qemu-aarch64-static; install qemu-user-static");
}

/**
 * Returns null where programs for AVX-512 can be run on an emulated processor, and have to be; else the
 * reason.
 */
export function avx512Problem(): string | null {
  if (hostTarget() !== "x86_64-linux") return skipped("emulated AVX-512 is tested on x86-64 hosts only");
  if (/^flags\s*:.*\bavx512_vnni\b/m.test(readFileSync("/proc/cpuinfo", "utf8")))
    return skipped("AVX-512 under Bochs: this processor has it, so that the ordinary tests go through it");
  const reason = missingForBochs();
  return reason === null ? null : missing(reason);
}

const portable = await findToolchain("aarch64-linux", "anywhere").then(
  ({ flavour }) => flavour === "zig",
  () => false,
);

/** Returns null where static musl agents can be built, else the reason. */
export function zigProblem(): string | null {
  return portable
    ? null
    : missing("no zig; install it, for example with `pip install ziglang`, or name it in $EDGEFRONT_ZIG");
}

/** Returns null where pages can be opened in a real browser, else the reason. */
export function browserProblem(): string | null {
  return existsSync(chromiumPath) ? null : missing("no Chromium on this machine; install chromium");
}

/** Where the libraries of llama.cpp are: $EDGEFRONT_LLAMA_CPP, or the packages of the peers. */
export const llamaPath = process.env.EDGEFRONT_LLAMA_CPP ?? "test/peers";

/** Returns null where the libraries of llama.cpp are installed, else the reason. */
export function llamaProblem(): string | null {
  try {
    llamaFolder(llamaPath);
    return null;
  } catch {
    const reason =
      "no llama.cpp; npm install --prefix test/peers --omit=optional, or name its folder in $EDGEFRONT_LLAMA_CPP";
    return llamaPath === "none" ? skipped(reason) : missing(reason);
  }
}

/** A Python with torch and numpy that every login may run. */
export const torchPython = process.env.EDGEFRONT_TORCH ?? "";

/**
 * Returns null where the PyTorch backend can be run, else the reason. CI does without, because torch needs
 * gigabytes.
 */
export function torchProblem(): string | null {
  const code = "import importlib.util as u; assert u.find_spec('torch') and u.find_spec('numpy')";
  const found = torchPython !== "" && spawnSync(torchPython, ["-c", code]).status === 0;
  return found
    ? null
    : skipped("no Python with torch; name one that every login may run in $EDGEFRONT_TORCH");
}
