// Measures the processor time used by all other programs on this machine: total busy time minus that of this
// process and all its children. A benchmark drops the rounds in which it was not alone.
import { readFileSync } from "node:fs";

const TICK_MS = 10; // USER_HZ is 100 on every Linux

/** User and system time of a process, its threads, its reaped children and its living ones, in ticks. */
function ticksOfTree(pid: number | string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
    return children.reduce((sum, child) => sum + ticksOfTree(child), own);
  } catch {
    return 0; // the process ended meanwhile, and its parent's time includes it from now on
  }
}

/**
 * Returns the milliseconds of processor time that others used since the machine started. Only differences are
 * meaningful.
 */
export function foreignCpuMs(): number {
  const [, user, nice, system] = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.trim().split(/\s+/);
  return TICK_MS * (Number(user) + Number(nice) + Number(system) - ticksOfTree(process.pid));
}
