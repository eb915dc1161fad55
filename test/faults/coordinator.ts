// A coordinator in a separate process. It runs one sweep on registered devices, prints each event as a line,
// and at the end the cost of the run. Its wall clock can be made to jump. Arguments: the sweep and its
// options as JSON.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { FarmOptions } from "../../runner/sweep/staff.ts";
import { type FarmSweep, QUICK, runFarm } from "./farm.ts";
import type { MemorySample } from "./flatness.ts";

interface Arguments {
  readonly sweep: FarmSweep;
  readonly agent: { readonly path: string; readonly sha256: string };
  readonly farm?: FarmOptions;
  /** Jumps of the wall clock, made one after the other at intervals. */
  readonly jumpsMs?: readonly number[];
  /** Prints only the fields of `Cost`. */
  readonly quiet?: boolean;
  /** Leaks this many bytes per job, to test that the memory check notices. */
  readonly leakBytes?: number;
}

/** Cost of a run for its coordinator; the last printed line. */
export interface Cost {
  readonly kind: "cost";
  /** From the start of the first job to the end of the sweep. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly jobs: number;
  /** Sampled every second; after a garbage collection if this process was started with --expose-gc. */
  readonly memory: readonly MemorySample[];
  /** Open files before and after. */
  readonly files: readonly [number, number];
  readonly children: number;
  /** Kinds of resources that still keep the process alive after everything was closed. */
  readonly resources: readonly string[];
}

const {
  sweep,
  agent,
  farm = QUICK,
  jumpsMs = [],
  quiet = false,
  leakBytes = 0,
} = JSON.parse(process.argv[2]!) as Arguments;
if (jumpsMs.length > 0) {
  const RealDate = Date;
  let offset = 0;
  let next = 0;
  setInterval(() => {
    offset = jumpsMs[next++ % jumpsMs.length]!;
  }, 150).unref();
  globalThis.Date = class extends RealDate {
    constructor(...given: []) {
      super(...(given.length === 0 ? ([RealDate.now() + offset] as unknown as []) : given));
    }
    static override now(): number {
      return RealDate.now() + offset;
    }
  } as DateConstructor;
}

const openFiles = (): number => readdirSync("/proc/self/fd").length;
const before = openFiles();
let jobs = 0;
const memory: MemorySample[] = [];
const leaked: unknown[] = [];
const sampling = setInterval(() => {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  memory.push({ jobs, rssBytes: rss, liveBytes: heapUsed + external });
}, 200).unref(); // frequent enough that a short run on a fast machine has samples to outvote an outlier
let start = 0;
let cpu = process.cpuUsage();
const say = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`);
await runFarm(sweep, { ...farm, agentFor: async () => agent }, (event) => {
  if (event.kind === "job" && event.text.startsWith("measuring")) {
    if (jobs++ === 0) {
      start = performance.now();
      cpu = process.cpuUsage();
    }
    if (leakBytes > 0) leaked.push(Buffer.alloc(leakBytes));
  }
  if (!quiet) say(event);
});
const seconds = (performance.now() - start) / 1000;
const { user, system } = process.cpuUsage(cpu);
clearInterval(sampling);
await sleep(500);
const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
const cost: Cost = {
  kind: "cost",
  seconds,
  cpuSeconds: (user + system) / 1e6,
  jobs,
  memory,
  files: [before, openFiles()],
  children: children.length,
  resources: process.getActiveResourcesInfo().filter((kind) => !/^(PipeWrap|Timeout)$/.test(kind)),
};
say(cost);
