// Lets an engine load into memory that the host of this virtual machine backs already (hold-memory.cc says why), so that its load is
// timed and not the host's page faults.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";

const HOLDER = "build/bench/hold-memory";

/** Compiles the holder. Throws where g++ or c++ cannot. */
export function buildHolder(): void {
  mkdirSync("build/bench", { recursive: true });
  const { status } = spawnSync("c++", ["-O1", "-o", HOLDER, "test/bench/hold-memory.cc"], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("c++ does not compile test/bench/hold-memory.cc");
}

/** Touches `mib` of memory; the returned function frees it, and what loads at once finds it. */
export async function holdMemory(mib: number): Promise<() => Promise<void>> {
  const child: ChildProcess = spawn(HOLDER, [`${mib}`], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close");
  await Promise.race([once(child.stdout!, "data"), ended]);
  return async () => {
    child.stdin!.end();
    await ended;
  };
}
