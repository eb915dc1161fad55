// bench:retest: runs the same sweep twice on this machine, while another process keeps a share of one core
// busy. Do its times reproduce? Either their order reproduces, better than a FLOP count predicts it, or a
// sweep claims no order among layouts that the other sweep contradicts.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { staticCost } from "../../candidates/cost.ts";
import { kendallTau } from "../../profilers/statistics/kendall.ts";
import type { ReportTrial } from "../../reports/report-model.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { readSweepConfig } from "../../runner/config/config.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { estimatesOf, historyOf, scaleOf } from "../../runner/sweep/estimates.ts";
import { pairsApart } from "../../search/noise/apart.ts";
import { numberOf, optionsOf, refuse } from "../support/parse-args.ts";
import { type ConclusionRow, meets } from "./conclusions/row.ts";

const flags = optionsOf(
  "bench:retest [--busy 0.3: share of one core] [--config configs/quickstart.yaml] [--json]; the time of two sweeps",
  {
    busy: { type: "string", default: "0.3" },
    config: { type: "string", default: "configs/quickstart.yaml" },
    json: { type: "boolean", default: false },
  },
);
const busy = numberOf("busy", flags.busy);
if (!(busy >= 0 && busy < 1)) refuse(`--busy ${flags.busy}: a share from 0 to below 1`);

/** Busy for a share of every 100 ms. */
const LOOP = `const busy = ${100 * busy}; setInterval(() => { const end = Date.now() + busy; while (Date.now() < end); }, 100);`;

interface Session {
  readonly trials: readonly ReportTrial[];
  /** Pairs of layout ids that certainly differ, the faster first. */
  readonly told: ReadonlySet<string>;
  readonly times: ReadonlyMap<string, number>;
  readonly seconds: number;
}

const config = readSweepConfig(flags.config);
const folder = mkdtempSync(join(tmpdir(), "edgefront-retest-"));
const loop = busy > 0 ? spawn(process.execPath, ["-e", LOOP], { stdio: "ignore" }) : null;
process.on("exit", () => {
  loop?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** The sweep's first objective that a device measures. */
function metricOf(data: { readonly objectives: readonly { readonly name: string }[] }): string {
  return (
    data.objectives.find(({ name }) => scaleOf(name) === "ratio")?.name ?? refuse("no objective is measured")
  );
}

function session(n: number): Session {
  const db = join(folder, `${n}.db`);
  const began = performance.now();
  execFileSync(
    process.execPath,
    [
      join(PACKAGE_ROOT, "dist/runner/cli.js"),
      "sweep",
      flags.config,
      "--db",
      db,
      "--out",
      join(folder, `${n}.html`),
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const seconds = (performance.now() - began) / 1000;
  const store = Store.open(db);
  const sweep = store.sweeps.get(config.name);
  const data = reportData(store, sweep);
  const trials = data.trials.filter(({ state }) => state === "complete");
  const metric = metricOf(data);
  const known = [...estimatesOf(trials, metric, historyOf(store, sweep.id)).values()];
  const { told } = pairsApart(known, scaleOf(metric));
  store.close();
  return {
    trials,
    seconds,
    times: new Map(trials.map(({ id }, i) => [id, known[i]!.value])),
    told: new Set(told.map(([a, b]) => `${trials[a]!.id} ${trials[b]!.id}`)),
  };
}

const [first, second] = [session(1), session(2)];
const shared = first.trials.filter(({ id }) => second.times.has(id));
const context = Math.max(...config.measure.contexts);
const flops = (trial: ReportTrial): number =>
  staticCost(trial.layout, { context, quantization: config.measure.quantization }).decodeFlops;
const time = (of: Session, { id }: ReportTrial): number => of.times.get(id)!;
const tau = kendallTau(shared.map((trial) => [time(first, trial), time(second, trial)])) ?? 0;
const tauFlops =
  kendallTau(shared.map((trial) => [flops(trial), Math.sqrt(time(first, trial) * time(second, trial))])) ?? 0;
/** Pairs that certainly differ in both sessions, but in opposite directions. */
const against = [...first.told].filter((pair) => second.told.has(pair.split(" ").reverse().join(" "))).length;
/** Pairs that certainly differ in one session although the other puts them in the opposite order. */
const doubtful = [first, second].flatMap((one, n) => {
  const other = n === 0 ? second : first;
  return [...one.told].filter((pair) => {
    const [a, b] = pair.split(" ") as [string, string];
    return (other.times.get(a) ?? 0) > (other.times.get(b) ?? Number.POSITIVE_INFINITY);
  });
}).length;
const claimed = first.told.size + second.told.size;
const row = (name: string, value: number, limit: string): ConclusionRow => ({
  ...{ name, value, low: value, high: value, limit },
  pass: meets(value, limit),
});
const reproduces = tau >= 0.7 && tau > tauFlops;
const rows = [
  row("retest: layouts measured in both sessions", shared.length, ">= 1"),
  row("retest: tau of times between the sessions", tau, reproduces ? ">= 0.7" : ">= -1"),
  row("retest: tau of FLOPs with the times of both", tauFlops, ">= -1"),
  row("retest: pairs that the sessions tell apart the opposite way", against, "<= 0"),
  row(
    "retest: share of claimed pairs that the other session orders otherwise",
    claimed === 0 ? 0 : doubtful / claimed,
    "<= 0.05",
  ),
  row("retest: pairs claimed in both sessions together", claimed, ">= 0"),
  row("retest: seconds of the longer session", Math.max(first.seconds, second.seconds), ">= 0"),
];
const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  node: process.version,
  load: readFileSync("/proc/loadavg", "utf8").split(" ")[0],
};
if (flags.json) console.log(JSON.stringify({ machine, busy, rows }));
else
  for (const { name, value, limit, pass } of rows)
    console.log(`${pass ? "pass" : "FAIL"}  ${name.padEnd(74)} ${value.toFixed(2)}  ${limit}`);
process.exitCode = rows.every(({ pass }) => pass) ? 0 : 1;
