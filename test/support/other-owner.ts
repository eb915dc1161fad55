// The owner of a sweep as another living process would be written: process 1, which always runs.
import { readFileSync } from "node:fs";

/** Returns when a process of this machine began, in the kernel's ticks. */
export const startOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ")[19]!;

/** Returns this process's owner text with the id and start of process 1. */
export const ownerInit = (self: string): string =>
  JSON.stringify({ ...JSON.parse(self), pid: 1, started: startOf(1) });
