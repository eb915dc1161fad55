// Does a cheap proxy put layouts in the same order as an expensive one? Layouts of a sweep's space, spread
// evenly over their numbers of attention layers, are trained at several lengths of the sweep's own tasks.
// Reports Kendall's tau of each score between a length and 8 times it (or a given one), each the mean of its
// seeds. The agreement of two seeds of the longer runs is the limit for any proxy.
import { isGlobalAttention, type Layout } from "../../../candidates/layout.ts";
import { formatNotation } from "../../../candidates/notation.ts";
import { attentionCount, Space } from "../../../candidates/space.ts";
import { isWeak, stratified } from "../../../profilers/fidelity.ts";
import { proxyLayout, proxySchema } from "../../../profilers/proxy.ts";
import { type Agreement, agreement } from "../../../profilers/statistics/kendall.ts";
import { readSweepConfig } from "../../../runner/config/config.ts";
import type { TaskConfig } from "../../../runner/config/config-score.ts";
import { configFolder, prepareTask } from "../../../runner/training/training-data.ts";
import { createRng } from "../../../search/rng.ts";
import { refuse } from "../../support/parse-args.ts";
import type { Planned, Run, RunBook } from "./book.ts";
import { plan, type Schedule } from "./plan.ts";

const LAYOUTS = 20;
const LONGER = 8;
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** A longer run ends when it answers this share of the validation data correctly, */
const SOLVED = 0.999;
/** or after a quarter of its steps without a better loss. */
const LOOKS = 24;
const PATIENCE = LOOKS / 4;

/**
 * Mean training loss over the planned steps. A run that ended earlier counts with its last loss for the
 * remaining steps.
 */
function meanLoss({ curve }: Run, steps: number): number {
  let [sum, at] = [0, 0];
  for (const [step, nats] of curve) {
    sum += (step - at) * nats;
    at = step;
  }
  return (sum + (steps - at) * curve.at(-1)![1]) / steps;
}

/**
 * Mean training loss over the last quarter of the planned steps: less noisy than the end, later than the mean
 * over the whole run.
 */
function lateLoss({ curve }: Run, steps: number): number {
  const late = curve.filter(([step]) => step > 0.75 * steps);
  return late.length > 0 ? mean(late.map(([, nats]) => nats)) : curve.at(-1)![1];
}

/** Scores of a run. Larger is better in all of them. */
const SCORES: Readonly<Record<string, (run: Run, steps: number) => number>> = {
  "final accuracy": ({ accuracy }) => Math.min(accuracy, SOLVED),
  "final loss": ({ loss }) => -loss,
  "mean training loss": (run, steps) => -meanLoss(run, steps),
  "training loss of the last quarter": (run, steps) => -lateLoss(run, steps),
};

export interface RankingOptions {
  readonly config: string;
  /** Part of the names of the tasks to run. */
  readonly task: string;
  readonly seeds: readonly number[];
  /** Seeds of the longer runs. */
  readonly dearSeeds: readonly number[];
  /** Lengths that are compared, as multiples of the configured steps. */
  readonly times: readonly number[];
  /** Multiple against which they are compared. Default: 8 times each length. */
  readonly against?: number | undefined;
}

export function scheduleOf({ training }: TaskConfig, times: number): Schedule {
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

/**
 * Returns distinct layouts of the space, spread evenly over their numbers of attention layers. The result is
 * always the same.
 */
export function layoutsOf(space: Space, count = LAYOUTS): readonly Layout[] {
  const rng = createRng(7);
  const drawn = Array.from({ length: 400 }, () => space.realize(space.sampleGenome(rng)));
  const valid = drawn.flatMap((one) => (one.ok ? [one.layout] : []));
  const distinct = [...new Map(valid.map((layout) => [formatNotation(layout), layout])).values()];
  return stratified(distinct, attentionCount, count);
}

const globalCount = ({ layers }: Layout): number => layers.filter(isGlobalAttention).length;

export const shownTau = (found: Agreement | null): string => {
  if (found === null) return "no order on one side";
  const { tau, interval } = found;
  const range = interval === null ? "" : ` [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]`;
  return `${tau.toFixed(2)}${range}${isWeak(found) ? ", weak" : ""}`;
};

/** Prints how two seeds of the same runs agree, and their difference relative to that between layouts. */
function seedTable(runs: readonly (readonly Run[])[], steps: number): void {
  const both = runs.filter(({ length }) => length > 1);
  if (both.length < 2) return;
  console.log(`\nseed against seed after ${steps} steps, ${both.length} layouts\n`);
  console.log(
    "| score | tau | standard deviation: of seeds | of layouts, seeds taken out |\n|---|---|---|---|",
  );
  for (const [name, score] of Object.entries(SCORES)) {
    const pairs = both.map(([a, b]) => [score(a!, steps), score(b!, steps)] as const);
    // Variances of a pair's difference and of its mean, both in units of one run.
    const noise = mean(pairs.map(([a, b]) => (a - b) ** 2)) / 2;
    const middles = pairs.map(([a, b]) => (a + b) / 2);
    const spread = middles.reduce((sum, x) => sum + (x - mean(middles)) ** 2, 0) / (middles.length - 1);
    const own = Math.sqrt(Math.max(0, spread - noise / 2));
    console.log(
      `| ${name} | ${shownTau(agreement(pairs, createRng(1)))} | ${Math.sqrt(noise).toFixed(4)} | ${own.toFixed(4)} |`,
    );
  }
}

/**
 * Returns the tasks of a sweep's configuration whose name contains `task`, each with its data and with the
 * proxies of layouts of the sweep's space, as notations.
 */
export async function tasksAndProxies(options: {
  readonly config: string;
  readonly task: string;
  readonly layouts?: number;
}) {
  const config = readSweepConfig(options.config);
  const layouts = layoutsOf(new Space(config.space), options.layouts);
  const all = Object.entries(config.score!.tasks);
  const chosen = all.filter(([name]) => name.includes(options.task));
  if (chosen.length === 0)
    refuse(`--task ${options.task}: ${options.config} has ${all.map(([name]) => name).join(", ")}`);
  return Promise.all(
    chosen.map(async ([name, task]) => {
      const prepared = await prepareTask(name, task, config.seed, configFolder(options.config));
      const proxyConfig = proxySchema.parse({ ...config.score!.proxy, ...task.proxy });
      const notations = layouts.map((layout) => formatNotation(proxyLayout(layout, proxyConfig, prepared)));
      return { name, task, prepared, layouts, notations };
    }),
  );
}

export async function ranking(book: RunBook, options: RankingOptions): Promise<void> {
  for (const { name, task, prepared, layouts, notations } of await tasksAndProxies(options)) {
    interface Side {
      readonly times: number;
      readonly seeds: readonly number[];
      readonly dear: boolean;
    }
    const planned = (at: number, { times, seeds, dear }: Side): readonly Planned[] =>
      seeds.map((seed) => {
        const schedule = scheduleOf(task, times);
        const every = Math.round(schedule.steps / LOOKS);
        const more = dear ? { stop: { every, accuracy: SOLVED, patience: PATIENCE } } : {};
        return plan("ranking", notations[at]!, prepared, schedule, seed, more);
      });
    // The order mixes the strata, so that an interrupted part has some of each.
    const mixed = layouts.map((_, n) => (7 * n) % layouts.length);
    for (const times of options.times) {
      const dearTimes = options.against ?? LONGER * times;
      const sides: readonly [Side, Side] = [
        { times, seeds: options.seeds, dear: false },
        { times: dearTimes, seeds: options.dearSeeds, dear: true },
      ];
      // The longest runs first, so that parallel agents end at about the same time.
      await book.train(
        [...sides]
          .reverse()
          .flatMap((side) => side.seeds.flatMap((_, s) => mixed.flatMap((at) => planned(at, side)[s] ?? []))),
      );
      const there = layouts.flatMap((layout, at) => {
        const [cheap, dear] = sides.map((side) =>
          planned(at, side).flatMap(({ key }) => book.get(key) ?? []),
        );
        // A layout without later seeds on one side counts there with its available seeds.
        return cheap!.length > 0 && dear!.length > 0 ? [{ layout, cheap: cheap!, dear: dear! }] : [];
      });
      const steps = sides.map((side) => scheduleOf(task, side.times).steps);
      console.log(
        `\n${name}: ${steps[0]} steps x ${options.seeds.length} seeds against ${steps[1]} x ${options.dearSeeds.length}, ${there.length} layouts\n`,
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
      seedTable(
        there.map(({ cheap }) => cheap),
        steps[0]!,
      );
      seedTable(
        there.map(({ dear }) => dear),
        steps[1]!,
      );
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
