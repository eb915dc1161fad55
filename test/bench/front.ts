// bench:front: compares the front of a very large sweep, as the store keeps it, with the whole computation
// over the same trials. Users' commands are timed as separate processes. The sweep is test data
// (support/large-sweep.ts). The two answers are compared before any time is printed.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { frontData } from "../../runner/reading/front-data.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { nonDominated, orientValues } from "../../search/pareto.ts";
import { startCli } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";
import { optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import type { BenchRow } from "./row.ts";

const flags = optionsOf(
  `bench:front [--trials 1000000] [--again 9] [--folder ${tmpdir()}] [--json]
  A million trials take about 3 GB in the folder while it runs.`,
  {
    trials: { type: "string", default: "1000000" },
    again: { type: "string", default: "9" },
    folder: { type: "string", default: tmpdir() },
    json: { type: "boolean", default: false },
  },
);
const [trials, again] = [wholeOf("trials", flags.trials), wholeOf("again", flags.again)];
if (!existsSync(flags.folder)) refuse(`--folder ${flags.folder}: there is no such folder`);
const folder = mkdtempSync(join(flags.folder, "edgefront-bench-front-"));
const say = (text: string): void => void process.stderr.write(`${text}\n`);

const rows: BenchRow[] = [];
const number = (value: number): string => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
/** Adds a row of the median. The output for people also has the extremes. */
function note(name: string, unit: string, values: readonly number[], peer: number | null = null): void {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, ours, high] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!];
  const ratios = peer === null ? [null, null, null] : [ours / peer, low / peer, high / peer];
  rows.push({ name, ours, peer, ratio: ratios[0]!, low: ratios[1]!, high: ratios[2]!, unit });
  const extremes = values.length > 1 ? ` (${number(low)} to ${number(high)})` : "";
  (flags.json ? say : console.log)(`${name}: ${number(ours)}${extremes} ${unit}`);
}
function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}
const times = (work: () => unknown): number[] => Array.from({ length: again }, () => timed(work));

/**
 * Runs a command in a new process. Returns milliseconds and its peak memory (sampled 50 times per second;
 * Linux only).
 */
async function command(args: readonly string[]): Promise<{ ms: number; megabytes: number }> {
  const started = performance.now();
  const { child, finished } = startCli(args, folder);
  let megabytes = 0;
  const look = setInterval(() => {
    try {
      const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8")) ?? [];
      megabytes = Math.max(megabytes, Number(kilobytes ?? 0) / 1000);
    } catch {
      // The process has ended, or there is no /proc.
    }
  }, 20);
  const { code, stderr } = await finished;
  clearInterval(look);
  if (code !== 0) throw new Error(`edgefront ${args.join(" ")}: ${stderr}`);
  return { ms: performance.now() - started, megabytes };
}

try {
  const large = new LargeSweep(folder);
  say(`writing ${trials} trials`);
  const writing = timed(() => large.add(trials, (made) => say(`  ${made}`)));
  say(`written in ${number(writing / 1000)} s, ${number(statSync(large.path).size / 1e6)} MB`);

  // No part of the front is stored yet. This is the wait of the first question after an import.
  const first = await command(["front", "synthetic", "--json"]);
  note("edgefront front, the first time", "s", [first.ms / 1000]);
  note("edgefront front, the first time: memory", "MB", [first.megabytes]);

  const store = Store.open(large.path);
  const sweep = store.sweeps.get("synthetic");
  const objectives = resolveObjectives(sweep.config);
  const front = (): readonly number[] => store.fronts.of(sweep.id, objectives);
  const names = objectives.map(({ name }) => name);
  const nondominated = (): readonly number[] => {
    const complete = store.trials
      .standing(sweep.id, 0, [], names)
      .filter(({ state }) => state === "complete");
    const vectors = complete.map(({ values }) => orientValues(values, objectives));
    return nonDominated(vectors).map((index) => complete[index]!.id);
  };
  const kept = times(front);
  const after = times(() => {
    large.add(1);
    return front();
  });
  const shown = times(() => frontData(store, store.sweeps.get("synthetic")));
  let expected: readonly number[] = [];
  const whole = timed(() => {
    expected = nondominated();
  });
  const same = JSON.stringify(expected) === JSON.stringify(front());
  say(
    `${store.trials.count(sweep.id)} trials, ${objectives.length} objectives, ${expected.length} on the front; the kept front is ${same ? "the same as" : "NOT"} the whole computation's`,
  );
  note("the kept front, asked again / all of it read and computed", "ms", kept, whole);
  note("the front after one more trial, its writing included", "ms", after, whole);
  note("what `edgefront front` shows, read from the database", "ms", shown);
  store.close();

  const commands = [];
  for (let n = 0; n < again; n++) commands.push(await command(["front", "synthetic", "--json"]));
  note(
    "edgefront front, a new process",
    "ms",
    commands.map(({ ms }) => ms),
  );
  const bare = [];
  for (let n = 0; n < again; n++) bare.push((await command(["--version"])).ms);
  note("edgefront --version, to compare with", "ms", bare);
  const report = await command(["report", "synthetic", "--out", "report.html"]);
  note("edgefront report", "s", [report.ms / 1000]);
  note("edgefront report: memory", "MB", [report.megabytes]);
  large.close();
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}, load ${loadavg()[0]!.toFixed(1)}, medians of ${again}`;
  console.log(flags.json ? JSON.stringify({ machine, rows }) : machine);
  if (!same) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
