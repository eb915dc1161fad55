// bench:ui: a real sweep with and without twenty readers of its page, and the page of a very large sweep. Rounds with and without
// readers alternate; one line a figure: ours (with readers), the same without, their ratio.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LargeSweep } from "../support/large-sweep.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    readers: { type: "string", default: "20" },
    trials: { type: "string", default: "16" },
    steps: { type: "string", default: "400" },
    large: { type: "string", default: "100000" },
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
const bytesOf = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    request(url, (response) => {
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
      });
      response.on("end", () => resolve(size));
    })
      .on("error", reject)
      .end();
  });

/** Follows as a page does: hears of a change, fetches the state. Counts what it fetched. */
function reader(base: string): { readonly fetched: () => number; readonly stop: () => void } {
  let [count, busy, again] = [0, false, false];
  const fetchState = async (): Promise<void> => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    do {
      again = false;
      await bytesOf(`${base}/state`).catch(() => 0);
      count++;
    } while (again);
    busy = false;
  };
  const events = request(`${base}/events`, (response) => response.on("data", () => void fetchState()));
  events.on("error", () => {});
  events.end();
  return { fetched: () => count, stop: () => events.destroy() };
}

async function sweepSeconds(name: string, readers: number): Promise<{ seconds: number; fetched: number }> {
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
  // Counted from the first finished trial: building the kernels and the report are not the sweep's pace.
  let [first, last] = [0, 0];
  sweep.stderr!.on("data", (chunk: Buffer) => {
    if (!/^trial \d+/m.test(chunk.toString())) return;
    last = performance.now();
    if (first === 0) first = last;
  });
  let followers: ReturnType<typeof reader>[] = [];
  let ui: ChildProcess | null = null;
  if (readers > 0) {
    while (first === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    ui = start("ui", name, "--db", db, "--port", "0", "--json");
    const { url } = JSON.parse(await firstLine(ui)) as { url: string };
    followers = Array.from({ length: readers }, () => reader(`${url}sweeps/${name}`));
  }
  await finished;
  const fetched = followers.reduce((sum, follower) => sum + follower.fetched(), 0);
  for (const follower of followers) follower.stop();
  ui?.kill("SIGINT");
  return { seconds: (last - first) / 1000, fetched };
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
  await sweepSeconds("warm", 0);
  const pace: { alone: number; read: number }[] = [];
  let fetched = 0;
  for (let round = 0; round < Number(flags.rounds); round++) {
    const alone = await sweepSeconds(`alone${round}`, 0);
    const read = await sweepSeconds(`read${round}`, Number(flags.readers));
    fetched += read.fetched;
    const trials = Number(flags.trials) - 1;
    pace.push({ alone: trials / alone.seconds, read: trials / read.seconds });
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

  const count = Number(flags.large);
  if (count > 0) {
    const large = new LargeSweep(folder);
    large.add(count);
    const ui = start("ui", "large", "--db", large.path, "--port", "0", "--json");
    const { url } = JSON.parse(await firstLine(ui)) as { url: string };
    const timed = async (name: string, work: () => Promise<number>): Promise<void> => {
      const started = performance.now();
      const size = await work();
      plain(`${count} trials, ${name} (${(size / 1e6).toFixed(1)} MB)`, performance.now() - started, "ms");
    };
    await timed("page, first time", () => bytesOf(`${url}sweeps/large`));
    await timed("page again", () => bytesOf(`${url}sweeps/large`));
    large.add(1);
    await timed("state after one more trial", () => bytesOf(`${url}sweeps/large/state`));
    await timed("a page of trials by a metric", () =>
      bytesOf(`${url}sweeps/large/trials?sort=decodeP50Ms@32:local&offset=50000`),
    );
    await timed("one trial", () => bytesOf(`${url}sweeps/large/trials/4242`));
    ui.kill("SIGINT");
    large.close();
  }
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}`;
  if (flags.json) console.log(JSON.stringify({ machine, rows }, null, 2));
  else console.log(machine);
} finally {
  for (const child of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
