// Which process owns something in the database, and what can be told of its life from here: beyond the reuse of its pid, across pid
// namespaces (containers) and machines.
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

/** `unknown`: another machine, another container, or this machine before it was restarted. Only beats tell then. */
export type Life = "alive" | "dead" | "unknown";

/** When a process began, in the kernel's own unit; `ended` for one that was not reaped, null where it cannot be read. */
function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** Null where a process of another user is hidden from this one. */
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

const parse = (owner: string): Owner => JSON.parse(owner) as Owner;

/** Whether its pid means the same here as there. */
const inSight = ({ boot, space }: Owner): boolean =>
  boot === bootId() && boot !== "unknown" && space === pidSpace() && space !== "unknown";

export function lifeOf(text: string): Life {
  const owner = parse(text);
  if (!inSight(owner)) return "unknown";
  const started = processStart(owner.pid);
  if (started !== null) return started === owner.started ? "alive" : "dead";
  return exists(owner.pid) === false ? "dead" : "unknown";
}

/** Two owners of one process. */
export function isSameProcess(a: string, b: string): boolean {
  const identity = ({ pid, started, boot, space }: Owner): string =>
    JSON.stringify([pid, started, boot, space]);
  return identity(parse(a)) === identity(parse(b));
}

/** For messages: where an owner is. */
export function describeOwner(text: string): string {
  const owner = parse(text);
  return inSight(owner) ? `process ${owner.pid}` : "a process in another container or on another machine";
}
