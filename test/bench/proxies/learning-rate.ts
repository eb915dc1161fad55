// Compares three sources of a candidate's learning rate, by their loss above that of the best rate for each
// layout and width:
// - one rate tuned at the smallest width and used unchanged;
// - the same with muP's scaling (baseWidth);
// - a sweep of short runs for each candidate.
import type { Planned, RunBook } from "./book.ts";
import { plan } from "./plan.ts";
import { textTask } from "./text.ts";

const BASE_WIDTH = 32;
const WIDTHS = [BASE_WIDTH, 64];
const LAYOUTS = ["c3 c3 c3 c3", "c3 g c3 g", "g g g g"];
const RATES = [1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2, 4.8e-2, 9.6e-2];
/** Length of the sweep's runs as a share of the steps; the default of `learningRateTrial`. */
const TRIAL = 0.125;

const best = (rates: readonly number[], loss: (rate: number) => number): number =>
  rates.reduce((a, b) => (loss(b) < loss(a) ? b : a));

type How = "plain" | "muP" | "trial";
export interface LearningRateOptions {
  readonly steps: number;
  readonly seeds: readonly number[];
}

export async function learningRate(book: RunBook, { steps, seeds }: LearningRateOptions): Promise<void> {
  const task = await textTask();
  const run = (width: number, layers: string, rate: number, how: How, seed: number): Planned => {
    const notation = `v256 d${width} f${2 * width} h${width / 16}/${width / 16}x16 : ${layers}`;
    const length = how === "trial" ? Math.round(steps * TRIAL) : steps;
    const more = how === "muP" ? { baseWidth: BASE_WIDTH } : {};
    return plan("rate", notation, task, { steps: length, batch: 8, rate }, seed, more, how);
  };
  const cells = WIDTHS.flatMap((width) => LAYOUTS.map((layers) => ({ width, layers })));
  const hows = (width: number) =>
    width === BASE_WIDTH ? (["plain", "trial"] as const) : (["plain", "muP", "trial"] as const);
  // Seed by seed, so that an interrupted part has the whole table for fewer seeds.
  await book.train(
    seeds.flatMap((seed) =>
      cells.flatMap(({ width, layers }) =>
        hows(width).flatMap((how) => RATES.map((rate) => run(width, layers, rate, how, seed))),
      ),
    ),
  );
  const last = cells.at(-1)!;
  const there = seeds.filter((seed) =>
    RATES.every((rate) => book.get(run(last.width, last.layers, rate, "trial", seed).key)),
  );
  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const lossOf = (width: number, layers: string, rate: number, how: How, seed: number): number => {
    const which = width === BASE_WIDTH && how === "muP" ? "plain" : how;
    return book.get(run(width, layers, rate, which, seed).key)?.loss ?? Number.NaN;
  };
  const loss = (width: number, layers: string, rate: number, how: "plain" | "muP"): number =>
    mean(there.map((seed) => lossOf(width, layers, rate, how, seed)));
  // The rate tuned once: the one with the smallest mean loss over the layouts, at the smallest width.
  const tuned = best(RATES, (rate) =>
    LAYOUTS.reduce((sum, layers) => sum + loss(BASE_WIDTH, layers, rate, "plain"), 0),
  );
  console.log(
    `rate tuned at d${BASE_WIDTH}: ${tuned}; ${steps} steps, trials of ${Math.round(steps * TRIAL)}, ${there.length} seeds; nats a byte\n`,
  );
  console.log(
    "| width | layout | best of all (rate) | one rate | muP | sweep (rate) |\n|---|---|---|---|---|---|",
  );
  const regrets = { plain: [] as number[], muP: [] as number[], sweep: [] as number[] };
  for (const { width, layers } of cells) {
    const full = (how: "plain" | "muP") => (rate: number) => loss(width, layers, rate, how);
    const ideal = best(RATES, full("plain"));
    const least = Math.min(full("plain")(ideal), full("muP")(best(RATES, full("muP"))));
    // Each seed is a separate candidate: its own trial runs choose its rate.
    const swept = there.map((seed) => best(RATES, (rate) => lossOf(width, layers, rate, "trial", seed)));
    const reached = {
      plain: full("plain")(tuned),
      muP: full("muP")(tuned),
      sweep: mean(there.map((seed, i) => lossOf(width, layers, swept[i]!, "plain", seed))),
    };
    for (const [how, value] of Object.entries(reached))
      regrets[how as keyof typeof regrets].push(value - least);
    const shown = (value: number): string => `+${(value - least).toFixed(4)}`;
    console.log(
      `| ${width} | ${layers} | ${least.toFixed(4)} (${ideal}) | ${shown(reached.plain)} | ${shown(reached.muP)} | ${shown(reached.sweep)} (${[...new Set(swept)].join(", ")}) |`,
    );
  }
  console.log(
    `\nmean above the best: one rate ${mean(regrets.plain).toFixed(4)}, muP ${mean(regrets.muP).toFixed(4)}, sweep ${mean(regrets.sweep).toFixed(4)} (costs ${RATES.length * TRIAL} runs more)`,
  );
}
