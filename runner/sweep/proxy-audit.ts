// Audits a sweep's proxies: a stratified sample of its layouts is trained longer, and Kendall's tau says
// whether the sweep's scores order them alike. The findings are stored with the sweep and shown wherever its
// front is.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { attentionCount } from "../../candidates/space.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { isWeak, MIN_AUDITED, stratified, withinStrata } from "../../profilers/fidelity.ts";
import { scoreName } from "../../profilers/metrics/name.ts";
import { type Agreement, agreement } from "../../profilers/statistics/kendall.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import type { ReportProxy } from "../../reports/report-model.ts";
import { createRng } from "../../search/rng.ts";
import type { SweepConfig } from "../config/config.ts";
import type { ScoreConfig, TaskConfig } from "../config/config-score.ts";
import { settleIdentity } from "../farm/sweep-identity.ts";
import type { Worker } from "../farm/worker.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { Trial } from "../store/trial-row.ts";
import { trainOn } from "../training/train.ts";
import { prepareTask } from "../training/training-data.ts";

export interface AuditOptions {
  /** Size of the sample, spread evenly over the numbers of attention layers. */
  readonly layouts: number;
  /** Factor on the sweep's training steps. */
  readonly longer: number;
  /** Audit only these tasks; all tasks when absent. */
  readonly tasks?: readonly string[] | undefined;
  /** The folder that corpus patterns are relative to. */
  readonly folder: string;
  readonly onProgress: (text: string) => void;
}

const findingSchema = z.object({
  metric: z.string(),
  tau: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  layouts: z.number(),
  longer: z.number(),
  weak: z.boolean(),
  strata: z
    .array(
      z.object({
        stratum: z.string(),
        layouts: z.number(),
        tau: z.number().nullable(),
        low: z.number().nullable(),
        high: z.number().nullable(),
      }),
    )
    .optional(),
});

/**
 * The task as the audit trains it: more steps, warm-up in proportion, and learning-rate trials as long as in
 * the sweep.
 */
function longerTask(task: TaskConfig, longer: number): TaskConfig {
  const { training } = task;
  const steps = Math.round(training.steps * longer);
  const warmupSteps = Math.round((training.warmupSteps ?? Math.ceil(training.steps / 10)) * longer);
  const { stop: _stop, ...rest } = training;
  const learningRateTrial = Math.min(1, training.learningRateTrial / longer);
  return { ...task, training: { ...rest, steps, warmupSteps, learningRateTrial } };
}

/**
 * An offset beyond every seed that a sweep or its repetitions use. With a shared seed both trainings would
 * agree by chance.
 */
const FRESH = 1000;

/**
 * Returns the score configuration to audit.
 * @throws InvalidInputError (`no-score`) when the sweep trains nothing.
 */
export function auditedScore({ score }: SweepConfig): ScoreConfig {
  if (score !== undefined) return score;
  throw new InvalidInputError("no-score", "this sweep trains no proxies to audit; measure it instead");
}

/**
 * Trains the sample longer with fresh seeds, and records one finding for each score of each task.
 * @throws InvalidInputError when there is nothing to audit.
 */
export async function auditSweep(
  store: Store,
  sweep: Sweep,
  config: SweepConfig,
  worker: Worker,
  options: AuditOptions,
): Promise<readonly ReportProxy[]> {
  const score = auditedScore(config);
  const sample = sampleOf(store, sweep, options.layouts);
  const tasks = Object.entries(score.tasks).filter(([name]) => options.tasks?.includes(name) ?? true);
  const long = new Map<string, readonly (readonly Metric[])[]>();
  for (const [name, task] of tasks)
    long.set(name, await trainLonger(name, task, sample, { sweep, config, score, worker, options }));
  const accuracies = accuraciesOf(long);
  const found: ReportProxy[] = [];
  for (const [name, task] of tasks) {
    for (const { name: kind } of taskOf(task.task as TaskName).scores) {
      const finding = findingOf(scoreName(name, kind), long.get(name)!, {
        store,
        sample,
        accuracies,
        config,
        options,
      });
      store.log("audit", finding, { sweepId: sweep.id });
      found.push(finding);
    }
  }
  return found;
}

function sampleOf(store: Store, sweep: Sweep, layouts: number): readonly Trial[] {
  const complete = store.trials.all(sweep.id).filter((trial) => trial.state === "complete");
  const sample = stratified(complete, ({ layout }) => attentionCount(layout), layouts);
  if (sample.length >= MIN_AUDITED) return sample;
  throw new InvalidInputError(
    "too-few-trials",
    `${sweep.name} has ${complete.length} complete trials; an audit needs ${MIN_AUDITED} at least, and says little below 20. Continue the sweep with more trials`,
  );
}

interface Training {
  readonly sweep: Sweep;
  readonly config: SweepConfig;
  readonly score: ScoreConfig;
  readonly worker: Worker;
  readonly options: AuditOptions;
}

/** Metrics of each layout of the sample after the longer training on one task. */
async function trainLonger(
  name: string,
  task: TaskConfig,
  sample: readonly Trial[],
  { sweep, config, score, worker, options }: Training,
): Promise<readonly (readonly Metric[])[]> {
  const prepared = await prepareTask(name, longerTask(task, options.longer), config.seed, options.folder);
  // A different corpus is refused: its scores could not be compared with those of the sweep.
  const question = { name: sweep.name, sweep, brought: null, allowMixed: false, command: null };
  settleIdentity(question, prepared.parts);
  const { scores } = taskOf(task.task as TaskName);
  const metrics: Metric[][] = [];
  for (const [index, { layout, notation }] of sample.entries()) {
    const results = [];
    for (const seed of score.seeds) {
      const { result } = await trainOn(worker, layout, prepared, seed + FRESH, score, ({ step, steps }) =>
        options.onProgress(
          `${name}: layout ${index + 1} of ${sample.length} (${notation}), step ${step} of ${steps}`,
        ),
      );
      results.push(result);
    }
    metrics.push([...taskMetrics(name, scores, results, prepared.bytesPerToken)]);
  }
  return metrics;
}

/**
 * The best accuracy of each layout over the audited tasks, after the longer training; null when no task is
 * scored by accuracy.
 */
function accuraciesOf(long: ReadonlyMap<string, readonly (readonly Metric[])[]>): readonly number[] | null {
  const tables = [...long.values()];
  const best = tables[0]?.map((_, n) =>
    Math.max(
      ...tables.flatMap((metrics) =>
        metrics[n]!.flatMap(({ name, value }) => (name.endsWith(".accuracy") ? [value] : [])),
      ),
    ),
  );
  return best?.every(Number.isFinite) ? best : null;
}

interface Audited {
  readonly store: Store;
  readonly sample: readonly Trial[];
  readonly accuracies: readonly number[] | null;
  readonly config: SweepConfig;
  readonly options: AuditOptions;
}

function findingOf(
  metric: string,
  long: readonly (readonly Metric[])[],
  { store, sample, accuracies, config, options }: Audited,
): ReportProxy {
  const valueIn = (metrics: readonly { name: string; value: number }[]): number | undefined =>
    metrics.find((one) => one.name === metric)?.value;
  const known = sample.flatMap((trial, index) => {
    const [cheap, dear] = [valueIn(store.metrics.ofTrial(trial.id)), valueIn(long[index]!)];
    return cheap === undefined || dear === undefined ? [] : [{ index, pair: [cheap, dear] as const }];
  });
  const pairs = known.map(({ pair }) => pair);
  const agreed = agreement(pairs, createRng(config.seed));
  const strata = withinStrata(pairs, accuracies && known.map(({ index }) => accuracies[index]!), () =>
    createRng(config.seed),
  );
  const ends = (found: Agreement | null) => ({
    tau: found?.tau ?? null,
    low: found?.interval?.low ?? null,
    high: found?.interval?.high ?? null,
  });
  return {
    metric,
    ...ends(agreed),
    layouts: pairs.length,
    longer: options.longer,
    weak: isWeak(agreed),
    strata: strata.map(({ stratum, layouts, agreement: own }) => ({ stratum, layouts, ...ends(own) })),
  };
}

/** Returns the newest audit finding of each metric of a sweep. */
export function auditsOf(store: Store, sweepId: number): readonly ReportProxy[] {
  const newest = new Map<string, ReportProxy>();
  for (const { data } of store.events(sweepId, "audit")) {
    const { success, data: finding } = findingSchema.safeParse(data);
    if (success) newest.set(finding.metric, finding);
  }
  return [...newest.values()];
}
