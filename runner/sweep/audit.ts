// The audit of a sweep's proxies: a stratified sample of its layouts is trained longer, and Kendall's tau says whether the scores of the sweep
// order them alike. What was found is kept with the sweep, and shown wherever its front is.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { attentionCount } from "../../candidates/space.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { isWeak, stratified } from "../../profilers/fidelity.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import type { ReportProxy } from "../../reports/model.ts";
import { createRng } from "../../search/rng.ts";
import type { SweepConfig } from "../config.ts";
import type { TaskConfig } from "../config-score.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweeps.ts";
import { trainOn } from "./train.ts";
import { prepareTask } from "./training-data.ts";
import type { Worker } from "./worker.ts";

export interface AuditOptions {
  /** How many layouts, spread evenly over their numbers of attention layers. */
  readonly layouts: number;
  /** How many times the sweep's steps. */
  readonly longer: number;
  /** Only these tasks; all without. */
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
});

/** The task as it is trained for the audit: longer, its warm-up in proportion, the tries of learning rates as long as they were. */
function longerTask(task: TaskConfig, longer: number): TaskConfig {
  const { training } = task;
  const steps = Math.round(training.steps * longer);
  const warmupSteps = Math.round((training.warmupSteps ?? Math.ceil(training.steps / 10)) * longer);
  const { stop: _stop, ...rest } = training;
  const learningRateTrial = Math.min(1, training.learningRateTrial / longer);
  return { ...task, training: { ...rest, steps, warmupSteps, learningRateTrial } };
}

/** Trains the sample longer and records one finding for each score of each task. @throws InvalidInputError where there is nothing to audit. */
export async function auditSweep(
  store: Store,
  sweep: Sweep,
  config: SweepConfig,
  worker: Worker,
  options: AuditOptions,
): Promise<readonly ReportProxy[]> {
  const score = config.score;
  if (score === undefined)
    throw new InvalidInputError("no-score", "this sweep trains no proxies to audit; measure it instead");
  const complete = store.trials.all(sweep.id).filter((trial) => trial.state === "complete");
  const sample = stratified(complete, ({ layout }) => attentionCount(layout), options.layouts);
  if (sample.length < 3) {
    throw new InvalidInputError(
      "too-few-trials",
      `${sweep.name} has ${complete.length} complete trials; an audit needs 3 at least, and says little below 20`,
    );
  }
  const found: ReportProxy[] = [];
  for (const [name, task] of Object.entries(score.tasks)) {
    if (options.tasks !== undefined && !options.tasks.includes(name)) continue;
    const prepared = await prepareTask(name, longerTask(task, options.longer), config.seed, options.folder);
    const { scores } = taskOf(task.task as TaskName);
    const dear: Metric[][] = [];
    for (const [index, { layout, notation }] of sample.entries()) {
      const results = [];
      for (const seed of score.seeds) {
        const { result } = await trainOn(worker, layout, prepared, seed, score, ({ step, steps }) =>
          options.onProgress(
            `${name}: layout ${index + 1} of ${sample.length} (${notation}), step ${step} of ${steps}`,
          ),
        );
        results.push(result);
      }
      dear.push(taskMetrics(name, scores, results, prepared.bytesPerToken));
    }
    for (const { name: kind } of scores) {
      const metric = `${name}.${kind}`;
      const valueIn = (metrics: readonly { name: string; value: number }[]): number | undefined =>
        metrics.find((one) => one.name === metric)?.value;
      const pairs = sample.flatMap((trial, index) => {
        const [cheap, long] = [valueIn(store.trials.metrics(trial.id)), valueIn(dear[index]!)];
        return cheap === undefined || long === undefined ? [] : [[cheap, long] as const];
      });
      const agreed = agreement(pairs, createRng(config.seed));
      const finding: ReportProxy = {
        metric,
        tau: agreed?.tau ?? null,
        low: agreed?.interval?.low ?? null,
        high: agreed?.interval?.high ?? null,
        layouts: pairs.length,
        longer: options.longer,
        weak: isWeak(agreed),
      };
      store.log("audit", finding, { sweepId: sweep.id });
      found.push(finding);
    }
  }
  return found;
}

/** What the last audits of a sweep found, the newest of each metric. */
export function auditsOf(store: Store, sweepId: number): readonly ReportProxy[] {
  const newest = new Map<string, ReportProxy>();
  for (const { data } of store.events(sweepId, "audit")) {
    const { success, data: finding } = findingSchema.safeParse(data);
    if (success) newest.set(finding.metric, finding);
  }
  return [...newest.values()];
}
