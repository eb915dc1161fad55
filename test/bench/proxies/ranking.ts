// Does a cheap proxy order layouts as a dear one does? Layouts of a sweep's space, spread evenly over their numbers of attention layers, are trained at
// several lengths of the sweep's own tasks; Kendall's tau of each score between a length and 8 times it.
import { formatNotation } from "../../../candidates/notation.ts";
import { attentionCount, Space } from "../../../candidates/space.ts";
import { isWeak, stratified } from "../../../profilers/fidelity.ts";
import { proxyLayout, proxySchema } from "../../../profilers/proxy.ts";
import { agreement } from "../../../profilers/statistics/kendall.ts";
import { readSweepConfig, type TaskConfig } from "../../../runner/config.ts";
import { configFolder, prepareTask } from "../../../runner/sweep/training-data.ts";
import { createRng } from "../../../search/rng.ts";
import type { Planned, Run, RunBook } from "./book.ts";
import { plan, type Schedule } from "./plan.ts";

const LAYOUTS = 20;
const LONGER = 8;
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** A run of the longer kind ends where it answers this share of the validation data right, */
const SOLVED = 0.999;
/** or after a quarter of its steps without a better loss. */
const LOOKS = 24;
const PATIENCE = LOOKS / 4;

/** Mean training loss over the planned steps; a run that ended before them would have gone on as it ended. */
function meanLoss({ curve }: Run, steps: number): number {
  let [sum, at] = [0, 0];
  for (const [step, nats] of curve) {
    sum += (step - at) * nats;
    at = step;
  }
  return (sum + (steps - at) * curve.at(-1)![1]) / steps;
}

/** Larger is better in all of them. */
const SCORES: Readonly<Record<string, (run: Run, steps: number) => number>> = {
  "final accuracy": ({ accuracy }) => Math.min(accuracy, SOLVED),
  "final loss": ({ loss }) => -loss,
  "mean training loss": (run, steps) => -meanLoss(run, steps),
};

export interface RankingOptions {
  readonly config: string;
  /** Tasks whose name has this in it. */
  readonly task: string;
  readonly seeds: readonly number[];
  /** Lengths that are ranked against 8 times themselves, as multiples of the configured steps. */
  readonly times: readonly number[];
}

function scheduleOf({ training }: TaskConfig, times: number): Schedule {
  const steps = Math.round(training.steps * times);
  const rate = Array.isArray(training.learningRate) ? training.learningRate[0]! : training.learningRate;
  return {
    steps,
    batch: training.batch,
    rate,
    minRate: training.minLearningRate ?? rate / 10,
    warmupSteps: Math.ceil(((training.warmupSteps ?? training.steps / 10) * steps) / training.steps),
  };
}

export async function ranking(book: RunBook, options: RankingOptions): Promise<void> {
  const config = readSweepConfig(options.config);
  const space = new Space(config.space);
  const rng = createRng(7);
  const drawn = Array.from({ length: 400 }, () => space.realize(space.sampleGenome(rng)));
  const valid = drawn.flatMap((one) => (one.ok ? [one.layout] : []));
  const distinct = [...new Map(valid.map((layout) => [formatNotation(layout), layout])).values()];
  const layouts = stratified(distinct, attentionCount, LAYOUTS);
  const lengths = [...new Set(options.times.flatMap((times) => [times, LONGER * times]))].sort(
    (a, b) => a - b,
  );
  for (const [name, task] of Object.entries(config.score!.tasks)) {
    if (!name.includes(options.task)) continue;
    const prepared = await prepareTask(name, task, config.seed, configFolder(options.config));
    const proxyConfig = proxySchema.parse({ ...config.score!.proxy, ...task.proxy });
    const notations = layouts.map((layout) => formatNotation(proxyLayout(layout, proxyConfig, prepared)));
    const planned = (at: number, times: number): readonly Planned[] =>
      options.seeds.map((seed) => {
        const schedule = scheduleOf(task, times);
        const more =
          times > 1
            ? { stop: { every: Math.round(schedule.steps / LOOKS), accuracy: SOLVED, patience: PATIENCE } }
            : {};
        return plan("ranking", notations[at]!, prepared, schedule, seed, more);
      });
    // Not stratum by stratum: one that is stopped early has seen some of each.
    const mixed = layouts.map((_, n) => (7 * n) % layouts.length);
    await book.train(lengths.flatMap((times) => mixed.flatMap((at) => planned(at, times))));
    const scored = (at: number, times: number, score: (run: Run, steps: number) => number): number | null => {
      const runs = planned(at, times).map(({ key }) => book.get(key));
      const { steps } = scheduleOf(task, times);
      return runs.every((run) => run !== undefined) ? mean(runs.map((run) => score(run, steps))) : null;
    };
    for (const times of options.times) {
      console.log(
        `\n${name}: ${Math.round(task.training.steps * times)} steps x ${options.seeds.length} seeds against ${LONGER} times as many\n\n| cheap score | dear score | tau | layouts |\n|---|---|---|---|`,
      );
      for (const [cheapName, cheapScore] of Object.entries(SCORES)) {
        for (const [dearName, dearScore] of Object.entries(SCORES)) {
          const pairs = layouts.flatMap((_, at) => {
            const [cheap, dear] = [scored(at, times, cheapScore), scored(at, LONGER * times, dearScore)];
            return cheap === null || dear === null ? [] : [[cheap, dear] as const];
          });
          const found = agreement(pairs, createRng(1));
          const interval = found?.interval;
          const text =
            found === null
              ? "no order on one side"
              : `${found.tau.toFixed(2)} [${interval?.low.toFixed(2) ?? "-"}, ${interval?.high.toFixed(2) ?? "-"}]${isWeak(found) ? ", weak" : ""}`;
          console.log(`| ${cheapName} | ${dearName} | ${text} | ${pairs.length} |`);
        }
      }
    }
  }
}
