// Does a cheap proxy order layouts as a dear one does? Layouts of a sweep's space, spread evenly over their numbers of attention layers, are trained at
// several lengths of the sweep's own tasks; Kendall's tau of each score between a length (all seeds) and 8 times it, or a set one (one seed).
import type { Layout } from "../../../candidates/layout.ts";
import { formatNotation } from "../../../candidates/notation.ts";
import { attentionCount, Space } from "../../../candidates/space.ts";
import { isWeak, stratified } from "../../../profilers/fidelity.ts";
import { proxyLayout, proxySchema } from "../../../profilers/proxy.ts";
import { type Agreement, agreement } from "../../../profilers/statistics/kendall.ts";
import { readSweepConfig } from "../../../runner/config.ts";
import type { TaskConfig } from "../../../runner/config-score.ts";
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
  /** Lengths that are ranked, as multiples of the configured steps; */
  readonly times: readonly number[];
  /** against this multiple. Default: against 8 times themselves. */
  readonly against?: number | undefined;
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

/** Layouts of the space, distinct, spread evenly over their numbers of attention layers; the same every time. */
function layoutsOf(space: Space): readonly Layout[] {
  const rng = createRng(7);
  const drawn = Array.from({ length: 400 }, () => space.realize(space.sampleGenome(rng)));
  const valid = drawn.flatMap((one) => (one.ok ? [one.layout] : []));
  const distinct = [...new Map(valid.map((layout) => [formatNotation(layout), layout])).values()];
  return stratified(distinct, attentionCount, LAYOUTS);
}

const globalCount = ({ layers }: Layout): number => layers.filter(({ mixer }) => mixer.op === "gqa").length;

const shownTau = (found: Agreement | null): string => {
  if (found === null) return "no order on one side";
  const { tau, interval } = found;
  const range = interval === null ? "" : ` [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]`;
  return `${tau.toFixed(2)}${range}${isWeak(found) ? ", weak" : ""}`;
};

export async function ranking(book: RunBook, options: RankingOptions): Promise<void> {
  const config = readSweepConfig(options.config);
  const layouts = layoutsOf(new Space(config.space));
  for (const [name, task] of Object.entries(config.score!.tasks)) {
    if (!name.includes(options.task)) continue;
    const prepared = await prepareTask(name, task, config.seed, configFolder(options.config));
    const proxyConfig = proxySchema.parse({ ...config.score!.proxy, ...task.proxy });
    const notations = layouts.map((layout) => formatNotation(proxyLayout(layout, proxyConfig, prepared)));
    const planned = (at: number, times: number, seeds: readonly number[]): readonly Planned[] =>
      seeds.map((seed) => {
        const schedule = scheduleOf(task, times);
        const every = Math.round(schedule.steps / LOOKS);
        const more = times > 1 ? { stop: { every, accuracy: SOLVED, patience: PATIENCE } } : {};
        return plan("ranking", notations[at]!, prepared, schedule, seed, more);
      });
    // Not stratum by stratum: one that is stopped early has seen some of each.
    const mixed = layouts.map((_, n) => (7 * n) % layouts.length);
    const first = options.seeds.slice(0, 1);
    for (const times of options.times) {
      const sides = [
        { times, seeds: options.seeds },
        { times: options.against ?? LONGER * times, seeds: first },
      ] as const;
      await book.train(sides.flatMap((side) => mixed.flatMap((at) => planned(at, side.times, side.seeds))));
      const runsOf = layouts.map((_, at) =>
        sides.map((side) => planned(at, side.times, side.seeds).flatMap(({ key }) => book.get(key) ?? [])),
      );
      const there = layouts.flatMap((layout, at) => {
        const [cheap, dear] = runsOf[at]!;
        return cheap!.length === options.seeds.length && dear!.length === 1
          ? [{ layout, cheap: cheap!, dear: dear! }]
          : [];
      });
      const steps = sides.map((side) => scheduleOf(task, side.times).steps);
      console.log(
        `\n${name}: ${steps[0]} steps x ${options.seeds.length} seeds against ${steps[1]} steps, ${there.length} layouts\n`,
      );
      console.log("| cheap score | dear score | tau |\n|---|---|---|");
      for (const [cheapName, cheapScore] of Object.entries(SCORES)) {
        for (const [dearName, dearScore] of Object.entries(SCORES)) {
          const pairs = there.map(
            ({ cheap, dear }) =>
              [
                mean(cheap.map((run) => cheapScore(run, steps[0]!))),
                mean(dear.map((run) => dearScore(run, steps[1]!))),
              ] as const,
          );
          console.log(`| ${cheapName} | ${dearName} | ${shownTau(agreement(pairs, createRng(1)))} |`);
        }
      }
      console.log(
        `\n| global attention layers | layouts | accuracy, loss after ${steps[0]} | after ${steps[1]} |\n|---|---|---|---|`,
      );
      for (const count of [...new Set(there.map(({ layout }) => globalCount(layout)))].sort()) {
        const group = there.filter(({ layout }) => globalCount(layout) === count);
        const shown = (runs: readonly Run[]): string =>
          `${mean(runs.map(({ accuracy }) => accuracy)).toFixed(3)}, ${mean(runs.map(({ loss }) => loss)).toFixed(3)}`;
        const [cheap, dear] = [group.flatMap((one) => one.cheap), group.flatMap((one) => one.dear)];
        console.log(`| ${count} | ${group.length} | ${shown(cheap)} | ${shown(dear)} |`);
      }
    }
  }
}
