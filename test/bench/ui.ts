// bench:ui: measures the cost of twenty readers of its page for a running sweep. One real sweep, one server.
// Windows with and without readers alternate in pairs of random order, and the pace of a pair's two windows
// is compared (profilers/statistics/paired.ts). Windows in which others used the machine are dropped. Also
// reports the processor time of server and readers separately, and the delay of a finished trial. With
// --readers 0 both windows are alike, which shows the benchmark's own error. Very large sweeps: bench:page.
import { type ChildProcess, fork, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { drawOrders, pairedShift } from "../../profilers/statistics/paired.ts";
import { createRng } from "../../search/rng.ts";
import { numberOf, optionsOf, wholeOf } from "../support/parse-args.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";
import { foreignCpuMs } from "./foreign-cpu.ts";
import type { BenchRow } from "./row.ts";
import { type Order, type Report, serveReaders } from "./ui-readers.ts";

const flags = optionsOf(
  "bench:ui [--pairs 16] [--seconds 8] [--readers 20] [--steps 500] [--foreign-percent 5] [--json]",
  {
    pairs: { type: "string", default: "16" },
    seconds: { type: "string", default: "8" },
    readers: { type: "string", default: "20" },
    steps: { type: "string", default: "500" },
    "foreign-percent": { type: "string", default: "5" },
    json: { type: "boolean", default: false },
    "as-readers": { type: "boolean", default: false },
  },
);
const CLI = "dist/runner/cli.js";
const windowMs = numberOf("seconds", flags.seconds) * 1000;
const readers = wholeOf("readers", flags.readers, 0);
/** Trials that do not count: meanwhile the kernels are built and the server's code is compiled. */
const BEFORE = 12;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Processor time of one process, without its children. */
function cpuMsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13);
  return 10 * (Number(user) + Number(system)); // USER_HZ is 100 on every Linux
}

interface Window {
  /** Trials per second between the first and the last that ended in the window. */
  readonly pace: number;
  readonly foreignShare: number;
  /** Processor time of server and readers, as a share of one core; 0 without readers. */
  readonly serverShare: number;
  readonly readersShare: number;
  readonly updates: number;
  readonly bytesPerUpdate: number;
  readonly delays: readonly number[];
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "edgefront-bench-ui-"));
  const db = join(folder, "ui.db");
  const running = new Set<ChildProcess>();
  const start = (...args: string[]): ChildProcess => {
    const child = spawn(process.execPath, [CLI, ...args, "--db", db], { stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    child.on("close", () => running.delete(child));
    return child;
  };
  try {
    const config = writeTinySweep(folder, {
      name: "ui",
      trials: 100_000,
      depth: 7,
      batch: 12,
      steps: wholeOf("steps", flags.steps),
      objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
    });
    const sweep = start("sweep", config, "--out", join(folder, "ui.html"));
    let failed = "";
    const ends: number[] = [];
    sweep.stderr!.on("data", (chunk: Buffer) => {
      failed = String(chunk);
      for (const _ of failed.matchAll(/^trial \d+/gm)) ends.push(performance.now());
    });
    const alive = (): void => {
      if (!running.has(sweep)) throw new Error(`the sweep ended: ${failed}`);
    };
    while (ends.length < BEFORE) {
      alive();
      await pause(50);
    }
    const ui = start("ui", "ui", "--port", "0", "--json");
    const url = await new Promise<string>((resolve) =>
      ui.stdout!.once("data", (text: Buffer) => resolve((JSON.parse(String(text)) as { url: string }).url)),
    );
    const crowd = fork(fileURLToPath(import.meta.url), ["--as-readers"]);
    running.add(crowd);
    const ended = new Promise<never>((_, reject) =>
      crowd.once("exit", () => reject(new Error("the readers ended"))),
    );
    ended.catch(() => {});
    const ask = (order: Order): Promise<Report> => {
      crowd.send(order);
      return Promise.race([ended, new Promise<Report>((resolve) => crowd.once("message", resolve))]);
    };

    const window = async (count: number): Promise<Window> => {
      alive();
      if (count > 0) await ask({ follow: `${url}sweeps/ui`, readers: count });
      const [first, from, foreign, server] = [ends.length, Date.now(), foreignCpuMs(), cpuMsOf(ui.pid!)];
      await pause(windowMs);
      const [foreignMs, serverMs] = [foreignCpuMs() - foreign, cpuMsOf(ui.pid!) - server];
      const own = ends.slice(first);
      if (own.length < 3) throw new Error("too few trials in a window; raise --seconds or lower --steps");
      const until = Date.now();
      // The last trials may not have reached the readers yet.
      if (count > 0) await pause(1000);
      const report = count > 0 ? await ask({ stop: true }) : null;
      const told = report !== null && "seen" in report ? report : null;
      const share = (ms: number): number => ms / windowMs;
      return {
        pace: ((own.length - 1) * 1000) / (own.at(-1)! - own[0]!),
        foreignShare: share(foreignMs) / availableParallelism(),
        serverShare: share(serverMs),
        readersShare: share((told?.cpuMs ?? 0) * (windowMs / (windowMs + 1000))),
        updates: (told?.events ?? 0) / Math.max(1, count),
        bytesPerUpdate: told === null || told.events === 0 ? 0 : told.bytes / told.events,
        delays: told === null ? [] : delaysOf(db, told.seen, from, until),
      };
    };

    await window(readers);
    const orders = drawOrders(wholeOf("pairs", flags.pairs), createRng(1).below);
    const pairs: { first: "a" | "b"; a: Window; b: Window }[] = [];
    for (const { first: order } of orders) {
      const one = await window(order === "a" ? 0 : readers);
      const other = await window(order === "a" ? readers : 0);
      const [a, b] = order === "a" ? [one, other] : [other, one];
      pairs.push({ first: order, a, b });
      const foreign = Math.max(a.foreignShare, b.foreignShare);
      console.error(
        `pair ${pairs.length} of ${orders.length}: ${b.pace.toFixed(2)} with, ${a.pace.toFixed(2)} trials/s without readers, others ${(100 * foreign).toFixed(1)}%`,
      );
    }
    report(pairs);
  } finally {
    for (const child of running) child.kill("SIGKILL");
    await pause(300);
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * For every reader and trial that ended in the window: milliseconds from the trial's end until the reader
 * received it.
 */
function delaysOf(
  path: string,
  readers: readonly (readonly { readonly at: number; readonly finished: number }[])[],
  from: number,
  until: number,
): number[] {
  const db = new Database(path, { readonly: true });
  const rows = db.prepare("SELECT finished_at FROM trials WHERE state <> 'proposed' ORDER BY finished_at");
  const ends = (rows.pluck().all() as string[]).map((text) => Date.parse(text));
  db.close();
  return readers.flatMap((seen) =>
    ends.flatMap((end, n) => {
      if (end < from || end > until) return [];
      const first = seen.find(({ finished }) => finished > n);
      return [first === undefined ? Number.POSITIVE_INFINITY : Math.max(0, first.at - end)];
    }),
  );
}

function report(all: readonly { first: "a" | "b"; a: Window; b: Window }[]): void {
  const limit = numberOf("foreign-percent", flags["foreign-percent"]) / 100;
  const alone = all.filter(({ a, b }) => Math.max(a.foreignShare, b.foreignShare) <= limit);
  const pairs = alone.length >= 6 ? alone : all;
  const note =
    pairs === alone
      ? `${all.length - alone.length} of ${all.length} pairs dropped: others used more than ${flags["foreign-percent"]}% of the machine`
      : "NOT ALONE: others used the machine in nearly every pair; all are counted";
  const shift = pairedShift(
    pairs.map(({ first, a, b }) => ({ first, difference: Math.log(b.pace / a.pace) })),
  );
  const read = pairs.map(({ b }) => b);
  const rows: BenchRow[] = [
    {
      name: `sweep's pace with ${readers} readers, without`,
      ours: median(read.map(({ pace }) => pace)),
      peer: median(pairs.map(({ a }) => a.pace)),
      ratio: Math.exp(shift.estimate),
      low: Math.exp(shift.interval.low),
      high: Math.exp(shift.interval.high),
      unit: "trials/s",
    },
  ];
  const plain = (name: string, ours: number, unit: string): void =>
    void rows.push({ name, ours, peer: null, ratio: null, low: null, high: null, unit });
  if (readers > 0) {
    const updates = read.reduce((sum, one) => sum + one.updates, 0);
    const server = read.reduce((sum, one) => sum + one.serverShare, 0);
    plain("server, of one core", (100 * server) / read.length, "%");
    plain("readers, of one core", 100 * median(read.map(({ readersShare }) => readersShare)), "%");
    plain("server, for an update to all readers", (server * windowMs) / updates, "ms");
    plain("updates to each reader", updates / ((read.length * windowMs) / 1000), "a second");
    plain("an update to one reader", median(read.map(({ bytesPerUpdate }) => bytesPerUpdate)) / 1000, "kB");
    const delays = read.flatMap((one) => one.delays).sort((a, b) => a - b);
    plain(`a finished trial reached a reader, median of ${delays.length}`, median(delays), "ms");
    plain("95% of them within", delays[Math.floor(delays.length * 0.95)]!, "ms");
    plain("the last within", delays.at(-1)!, "ms");
  }
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}; ${note}`;
  if (flags.json) {
    console.log(JSON.stringify({ machine, rows }, null, 2));
    return;
  }
  for (const { name, ours, peer, ratio, low, high, unit } of rows)
    console.log(
      peer === null
        ? `${name}: ${ours.toFixed(2)} ${unit}`
        : `${name}: ${ours.toFixed(2)}, ${peer.toFixed(2)} ${unit}; ratio ${ratio!.toFixed(3)} [${low!.toFixed(3)}, ${high!.toFixed(3)}]`,
    );
  console.log(machine);
}

if (flags["as-readers"]) serveReaders();
else await measure();
