// bench:ui: a real sweep with and without twenty readers of its page. Rounds with and without readers alternate; one line a figure:
// ours (with readers), the same without, their ratio. Very large sweeps: bench:page.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import { parseArgs } from "../support/parse-args.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    readers: { type: "string", default: "20" },
    trials: { type: "string", default: "20" },
    steps: { type: "string", default: "2000" },
    json: { type: "boolean", default: false },
  },
});
const CLI = "dist/runner/cli.js";
const folder = mkdtempSync(join(tmpdir(), "edgefront-bench-ui-"));
const running = new Set<ChildProcess>();

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}
const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) =>
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`ended with ${code}`)))),
  );
const firstLine = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.split("\n")[0]!);
    });
  });
const bodyOf = (url: string): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    request(url, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks)));
    })
      .on("error", reject)
      .end();
  });

interface Seen {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** A state as it came: looked into once the sweep has ended, so that reading it costs the sweep nothing. */
  readonly body: Buffer;
}

/** Follows as a page does: hears of a change, fetches the state. */
function reader(base: string): { readonly seen: readonly Seen[]; readonly stop: () => void } {
  const seen: Seen[] = [];
  let [busy, again] = [false, false];
  const fetchState = async (): Promise<void> => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      const body = await bodyOf(`${base}/state`).catch(() => null);
      if (body !== null) seen.push({ at: Date.now(), body });
    } while (again);
    busy = false;
  };
  const events = request(`${base}/events`, (response) => response.on("data", () => void fetchState()));
  events.on("error", () => {});
  events.end();
  return { seen, stop: () => events.destroy() };
}

const counted = new Map<string, number>();
/** Finished trials by a state's own words. */
function finishedIn(body: Buffer): number {
  const key = createHash("sha256").update(body).digest("hex");
  const known = counted.get(key);
  if (known !== undefined) return known;
  const { status } = JSON.parse(gunzipSync(body).toString()) as { status: string };
  const count = Number(/(\d+) of \d+/.exec(status)![1]);
  counted.set(key, count);
  return count;
}

/** For every reader and trial that ended while it followed: milliseconds from the trial's end until the reader had it. */
function delaysOf(db: string, readers: readonly (readonly Seen[])[]): number[] {
  const store = new Database(db, { readonly: true });
  const rows = store
    .prepare("SELECT finished_at FROM trials WHERE state <> 'proposed' ORDER BY finished_at")
    .all();
  store.close();
  const ends = (rows as { finished_at: string }[]).map((row) => Date.parse(row.finished_at));
  return readers.flatMap((seen) =>
    ends.flatMap((end, n) => {
      if (seen.length === 0 || end < seen[0]!.at) return [];
      const first = seen.find(({ body }) => finishedIn(body) > n);
      return [first === undefined ? Number.POSITIVE_INFINITY : first.at - end];
    }),
  );
}

/** Trials that are not counted: meanwhile the kernels are built, and the readers come. */
const BEFORE = 6;

interface Round {
  /** Trials a second, counted from trial BEFORE on. */
  readonly pace: number;
  readonly fetched: number;
  readonly delays: readonly number[];
}

async function runSweep(name: string, readers: number): Promise<Round> {
  const config = writeTinySweep(folder, {
    name,
    trials: Number(flags.trials),
    steps: Number(flags.steps),
    objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
  });
  const db = join(folder, `${name}.db`);
  const out = join(folder, `${name}.html`);
  const sweep = start("sweep", config, "--db", db, "--out", out);
  const finished = ended(sweep);
  const ends: number[] = [];
  sweep.stderr!.on("data", (chunk: Buffer) => {
    for (const _ of chunk.toString().matchAll(/^trial \d+/gm)) ends.push(performance.now());
  });
  let followers: ReturnType<typeof reader>[] = [];
  let ui: ChildProcess | null = null;
  if (readers > 0) {
    while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    ui = start("ui", name, "--db", db, "--port", "0", "--json");
    const { url } = JSON.parse(await firstLine(ui)) as { url: string };
    followers = Array.from({ length: readers }, () => reader(`${url}sweeps/${name}`));
    while (followers.some(({ seen }) => seen.length === 0))
      await new Promise((resolve) => setTimeout(resolve, 20));
    if (ends.length > BEFORE) throw new Error("the readers came too late; raise --steps");
  }
  await finished;
  // The last trial may still be on its way to them.
  if (readers > 0) await new Promise((resolve) => setTimeout(resolve, 1500));
  for (const follower of followers) follower.stop();
  ui?.kill("SIGINT");
  return {
    pace: ((ends.length - 1 - BEFORE) * 1000) / (ends.at(-1)! - ends[BEFORE]!),
    fetched: followers.reduce((sum, { seen }) => sum + seen.length, 0),
    delays: delaysOf(
      db,
      followers.map(({ seen }) => seen),
    ),
  };
}

interface Row {
  readonly name: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: string;
}
const rows: Row[] = [];
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const show = (row: Row): void => {
  rows.push(row);
  if (flags.json) return;
  const range = row.low === null ? "" : ` (${row.low.toFixed(2)} to ${row.high!.toFixed(2)})`;
  const beside =
    row.peer === null
      ? ""
      : `  without readers ${row.peer.toFixed(2)}  ratio ${row.ratio!.toFixed(2)}${range}`;
  console.log(`${row.name}: ${row.ours.toFixed(2)} ${row.unit}${beside}`);
};

try {
  await runSweep("warm", 0);
  const pace: { alone: number; read: number }[] = [];
  let fetched = 0;
  const delays: number[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    const alone = await runSweep(`alone${round}`, 0);
    const read = await runSweep(`read${round}`, Number(flags.readers));
    fetched += read.fetched;
    delays.push(...read.delays);
    pace.push({ alone: alone.pace, read: read.pace });
  }
  const ratios = pace.map(({ alone, read }) => read / alone).sort((a, b) => a - b);
  show({
    name: `sweep's pace with ${flags.readers} readers`,
    ours: median(pace.map(({ read }) => read)),
    peer: median(pace.map(({ alone }) => alone)),
    ratio: median(ratios),
    low: ratios[0]!,
    high: ratios.at(-1)!,
    unit: "trials/s",
  });
  const plain = (name: string, ours: number, unit: string): void =>
    show({ name, ours, peer: null, ratio: null, low: null, high: null, unit });
  plain("states fetched by all readers", fetched, "states");
  delays.sort((a, b) => a - b);
  plain(`a finished trial reached a reader, median of ${delays.length}`, median(delays), "ms");
  plain("95% of them within", delays[Math.floor(delays.length * 0.95)]!, "ms");
  plain("the last within", delays.at(-1)!, "ms");

  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}`;
  if (flags.json) console.log(JSON.stringify({ machine, rows }, null, 2));
  else console.log(machine);
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
