// Identifies the process that owns something in the database, and judges from here whether it lives. This
// works across reused pids, pid namespaces (containers) and machines.
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";

interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
  /** Pid namespace: in another namespace the pid means nothing. */
  readonly space?: string;
  /** Distinguishes two owners in one process. */
  readonly nonce?: string;
}

/**
 * `unknown`: on another machine, in another container, or before a restart of this machine. Then only its
 * counter can tell.
 */
export type Life = "alive" | "dead" | "unknown";

/** Start time of a process in the kernel's unit; `ended` for a zombie, null when it cannot be read. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** Null when a process of another user is hidden from this one. */
function exists(pid: number): boolean | null {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? false : null;
  }
}

const orUnknown = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return "unknown";
  }
};
/** Returns the kernel's boot id; `unknown` where it cannot be read. */
export const bootId = (): string => orUnknown(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
const pidSpace = (): string => orUnknown(() => readlinkSync("/proc/self/ns/pid"));

/** Returns an owner text of this process for the database. Each call makes another owner. */
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

const parse = (owner: string): Owner => JSON.parse(owner) as Owner;

/** Whether the owner's pid has the same meaning here. */
const inSight = ({ boot, space }: Owner): boolean =>
  boot === bootId() && boot !== "unknown" && space === pidSpace() && space !== "unknown";

/** Returns whether the process of an owner lives, as far as this process can tell. */
export function lifeOf(text: string): Life {
  const owner = parse(text);
  if (!inSight(owner)) return "unknown";
  const started = processStart(owner.pid);
  if (started !== null) return started === owner.started ? "alive" : "dead";
  return exists(owner.pid) === false ? "dead" : "unknown";
}

/** Returns whether two owners belong to one process. */
export function isSameProcess(a: string, b: string): boolean {
  const identity = ({ pid, started, boot, space }: Owner): string =>
    JSON.stringify([pid, started, boot, space]);
  return identity(parse(a)) === identity(parse(b));
}

/** Returns the owner's location in words, for messages. */
export function describeOwner(text: string): string {
  const owner = parse(text);
  return inSight(owner) ? `process ${owner.pid}` : "a process in another container or on another machine";
}
