// bench:front: the front of a very large sweep as the store keeps it, beside the whole computation over the same trials. Test data
// (support/large-sweep.ts); the two answers are compared before any time is printed.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { frontData } from "../../runner/report-data.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { nonDominated, orientValues } from "../../search/pareto.ts";
import { LargeSweep } from "../support/large-sweep.ts";
import { parseArgs } from "../support/parse-args.ts";

const { values: flags } = parseArgs({
  options: {
    trials: { type: "string", default: "1000000" },
    again: { type: "string", default: "9" },
    folder: { type: "string", default: tmpdir() },
  },
});
const trials = Number(flags.trials);
const PIECE = 20_000;
const folder = mkdtempSync(join(flags.folder, "edgefront-bench-front-"));
const medianMs = (work: () => unknown): string => {
  const times = Array.from({ length: Number(flags.again) }, () => {
    const started = performance.now();
    work();
    return performance.now() - started;
  }).sort((a, b) => a - b);
  return `${times[times.length >> 1]!.toFixed(1)} ms (${times[0]!.toFixed(1)} to ${times.at(-1)!.toFixed(1)})`;
};

try {
  const large = new LargeSweep(folder);
  for (let left = trials; left > 0; left -= PIECE) large.add(Math.min(PIECE, left));
  const store = Store.open(large.path);
  const sweep = store.sweeps.get("synthetic");
  const objectives = resolveObjectives(sweep.config);
  const front = (): readonly number[] => store.fronts.of(sweep.id, objectives);
  const started = performance.now();
  front();
  const whole = performance.now() - started;
  const kept = medianMs(front);
  const after = medianMs(() => {
    large.add(1);
    return front();
  });
  const shown = medianMs(() => frontData(store, store.sweeps.get("synthetic")));

  const names = objectives.map(({ name }) => name);
  const complete = store.trials.standing(sweep.id, 0, [], names).filter(({ state }) => state === "complete");
  const expected = nonDominated(complete.map(({ values }) => orientValues(values, objectives)));
  const same = JSON.stringify(expected.map((index) => complete[index]!.id)) === JSON.stringify(front());
  console.log(
    `${store.trials.count(sweep.id)} trials, ${objectives.length} objectives, ${expected.length} on the front; the kept front is ${same ? "the same as" : "NOT"} the whole computation's`,
  );
  console.log(`worked out once, from nothing: ${(whole / 1000).toFixed(1)} s`);
  console.log(`asked again: ${kept}`);
  console.log(`asked after one more trial, its writing included: ${after}`);
  console.log(`all that \`edgefront front\` shows, read from the database: ${shown}`);
  console.log(
    `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}; medians of ${flags.again}`,
  );
  store.close();
  large.close();
  if (!same) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
