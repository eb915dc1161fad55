// Which process owns something in the database, told beyond the reuse of its pid and across pid namespaces (containers).
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
  /** Pid namespace: elsewhere the pid says nothing. */
  readonly space?: string;
  /** Tells two owners in one process apart. */
  readonly nonce?: string;
}

function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

const orUnknown = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return "unknown";
  }
};
export const bootId = (): string => orUnknown(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
const pidSpace = (): string => orUnknown(() => readlinkSync("/proc/self/ns/pid"));

/** This process, as text for the database. Each call makes another owner. */
export function makeOwner(): string {
  const owner: Owner = {
    pid: process.pid,
    started: processStart(process.pid) ?? "",
    boot: bootId(),
    space: pidSpace(),
    nonce: randomBytes(8).toString("hex"),
  };
  return JSON.stringify(owner);
}

/** The owner's pid while it lives on this machine, else null. */
export function livingPid(owner: string | null): number | null {
  if (owner === null) return null;
  const { pid, started, boot } = JSON.parse(owner) as Owner;
  return boot === bootId() && processStart(pid) === started ? pid : null;
}

/** True only when the owner cannot be alive; an owner in another pid namespace cannot be judged. */
export function isDead(owner: string): boolean {
  const { pid, started, boot, space } = JSON.parse(owner) as Owner;
  if (boot !== bootId()) return true;
  return (space === undefined || space === pidSpace()) && processStart(pid) !== started;
}
