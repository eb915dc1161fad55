// Gives an engine memory that the host of this virtual machine already backs (hold-memory.cc explains this).
// Loading then times the engine and not the host's page faults.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";

const HOLDER = "build/bench/hold-memory";

/** Compiles the holder. Throws where neither g++ nor c++ can. */
export function buildHolder(): void {
  mkdirSync("build/bench", { recursive: true });
  const { status } = spawnSync("c++", ["-O1", "-o", HOLDER, "test/bench/hold-memory.cc"], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("c++ does not compile test/bench/hold-memory.cc");
}

/**
 * Touches `mib` of memory. The returned function frees it, so that a load directly afterwards gets this
 * memory.
 */
export async function holdMemory(mib: number): Promise<() => Promise<void>> {
  const child: ChildProcess = spawn(HOLDER, [`${mib}`], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  await Promise.race([once(child.stdout!, "data"), ended]);
  return async () => {
    child.stdin!.end();
    await ended;
  };
}
