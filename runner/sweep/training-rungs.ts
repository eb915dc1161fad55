// Training in stages (`score.rungs`): every trial is trained to a rung, judged there, and continues or is
// stopped. The training results of a rung are jobs of their own. Each verdict is stored as an event before it
// takes effect, so a resumed sweep reads it back or reaches the same one. The rule is
// search/early-stopping.ts.
import { rm } from "node:fs/promises";
import { z } from "zod";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { formatValue } from "../../reports/format.ts";
import { judgeRung, type RungVerdict } from "../../search/early-stopping.ts";
import { orient } from "../../search/pareto.ts";
import type { Objective } from "../../search/strategy.ts";
import { cachePath } from "../base/paths.ts";
import { isTrained, type ScoreConfig } from "../config/config-score.ts";
import { type JobPart, percentOf, trainingOf } from "../store/job-target.ts";
import type { Store } from "../store/store.ts";
import type { Trial, TrialEnd } from "../store/trial-row.ts";
import type { TrainPart } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";
import { compositesOf } from "./derived-metrics.ts";
import { metricsOf } from "./metric-names.ts";
import type { SweepContext, SweepFacts } from "./sweep-context.ts";

/** A trial is compared with at most this many of the latest trials. */
const LOOKED_AT = 1000;

/** Returns the part of a job's target that names its rung; null for the whole training. */
export const rungOf = (share: number): JobPart => ({ rungPercent: share < 1 ? percentOf(share) : null });

/** Returns the next part of a training run: where to pause, and the result at the previous rung. */
export function partOf(
  store: Store,
  trial: Trial,
  task: PreparedTask,
  seed: number,
  { rungs }: ScoreConfig,
  share: number,
): TrainPart {
  if (rungs === undefined) return {};
  const { steps } = task.config.training;
  const last = rungs.at.filter((rung) => rung < share).at(-1);
  const before =
    last === undefined ? null : store.jobs.score(trial.id, trainingOf(task.name, seed, rungOf(last)));
  return {
    ...(share < 1 ? { pauseAt: Math.max(1, Math.round(share * steps)) } : {}),
    ...(before === null ? {} : { before }),
  };
}

/**
 * Objectives, and budgets on trained metrics: a trial that others beat so far may still be the only one
 * within such a budget.
 */
function axesOf({ objectives, budgets, config }: SweepFacts): readonly Objective[] {
  const known = metricsOf(config);
  const bounded = budgets
    .filter(({ metric }) => isTrained(metric, config.score!) && !objectives.some((o) => o.name === metric))
    .filter(({ max, min }) => max === undefined || min === undefined)
    .map(
      ({ metric, max }): Objective => ({
        name: metric,
        direction: max === undefined ? "max" : "min",
        unit: known.get(metric)!.unit,
      }),
    );
  return [...objectives, ...bounded];
}

type Values = Readonly<Record<string, number>>;

/** A trial's metrics together with its scores at a rung. */
function valuesAt(trial: Trial, share: number, { sweep, place }: SweepContext): Values {
  const { store, config } = sweep;
  const reached = place.tasks.flatMap((task) => {
    const { scores } = taskOf(task.config.task as TaskName);
    const results = store.jobs.scores(trial.id, task.name, rungOf(share));
    return taskMetrics(task.name, scores, results, task.bytesPerToken);
  });
  const metrics = [...store.metrics.ofTrial(trial.id), ...reached];
  return Object.fromEntries(
    [...metrics, ...compositesOf(config, metrics)].map(({ name, value }) => [name, value]),
  );
}

const recordSchema = z.object({
  /** Number of the trial. */
  trial: z.number(),
  share: z.number(),
  /** Value of every axis. */
  values: z.record(z.string(), z.number()),
  goesOn: z.boolean(),
  /** Explains in words why the trial is stopped; null when it continues. */
  reason: z.string().nullable(),
});
export type RungRecord = z.infer<typeof recordSchema>;

/** Returns every verdict of a sweep, in the order in which they were made. */
export const verdictsOf = (store: Store, sweepId: number): readonly RungRecord[] =>
  store.events(sweepId, "rung").map(({ data }) => recordSchema.parse(data));

function reasonOf(
  { against, place, reached, kept }: RungVerdict,
  share: number,
  own: Values,
  other: Values,
  axes: readonly Objective[],
): string {
  const values = axes.map(
    ({ name, unit }) => `${name} ${formatValue(own[name]!, unit)} against ${formatValue(other[name]!, unit)}`,
  );
  return (
    `after ${percentOf(share)}% of its training: trial ${against} was clearly better at that step and measures no worse ` +
    `(${values.join(", ")}); place ${place} of ${reached}, the best ${kept} continue`
  );
}

/** The verdict on a trial at a rung: the stored one, or a new one that is stored before it is returned. */
function verdictAt(trial: Trial, share: number, context: SweepContext): RungRecord {
  const { store, sweepId, config } = context.sweep;
  const score = config.score!;
  const known = verdictsOf(store, sweepId)
    .filter((record) => record.share === share && record.trial <= trial.number)
    .sort((a, b) => a.trial - b.trial);
  if (known.at(-1)?.trial === trial.number) return known.at(-1)!;
  const axes = axesOf(context.sweep);
  const all = valuesAt(trial, share, context);
  const values = Object.fromEntries(axes.map(({ name }) => [name, all[name]!]));
  const others = known.slice(-LOOKED_AT);
  const verdict = judgeRung(
    { trial: trial.number, vector: orient(values, axes) },
    others.map((record) => ({ trial: record.trial, vector: orient(record.values, axes) })),
    axes.map(({ name }) => isTrained(name, score)),
    score.rungs!,
  );
  // A declared layout always continues: its author wants its final scores.
  const goesOn = verdict.goesOn || trial.origin?.kind === "declared";
  const against = others.find((record) => record.trial === verdict.against);
  const reason = goesOn ? null : reasonOf(verdict, share, values, against!.values, axes);
  const record = { ...verdict, goesOn, trial: trial.number, share, values, reason };
  store.log("rung", record, { sweepId, trialId: trial.id });
  return record;
}

const pausedSchema = z.object({ checkpoint: z.string().regex(/^[0-9a-f]+\.checkpoint$/) });

/** Removes the checkpoints of a trial whose training is over. */
export async function dropCheckpoints(trial: Trial, { sweep, place }: SweepContext): Promise<void> {
  const { rungs, seeds = [] } = sweep.config.score ?? {};
  for (const share of rungs?.at ?? []) {
    for (const [task, seed] of place.tasks.flatMap(({ name }) => seeds.map((one) => [name, one] as const))) {
      const paused = sweep.store.jobs.score(trial.id, trainingOf(task, seed, rungOf(share)));
      const kept = pausedSchema.safeParse(paused?.request);
      if (kept.success) await rm(cachePath("runs", kept.data.checkpoint), { force: true });
    }
  }
}

/**
 * Trains a trial from rung to rung. Returns its end when it is stopped at a rung, null when its training
 * continues to the end.
 */
export async function climbRungs(
  trial: Trial,
  context: SweepContext,
  train: (task: PreparedTask, share: number) => Promise<void>,
): Promise<TrialEnd | null> {
  for (const share of context.sweep.config.score?.rungs?.at ?? []) {
    for (const task of context.place.tasks) await train(task, share);
    await context.run.rungOrder.turn(trial.number, share, context.run.signal);
    const { goesOn, reason } = verdictAt(trial, share, context);
    context.run.rungOrder.pass(trial.number, share);
    if (goesOn) continue;
    await dropCheckpoints(trial, context);
    return { state: "stopped", cause: "stopped-early", ...(reason === null ? {} : { reason }) };
  }
  return null;
}
