// One trial from proposal to end: static budgets, measurements on every device, budgets again, proxy
// training, budgets last. A trial is complete only when every job has a result. Any other end is recorded
// with its cause.
import { staticMetric } from "../../profilers/static-metrics.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { policies } from "../farm/faults.ts";
import { measurementOn, trainingOf } from "../store/job-target.ts";
import type { Trial, TrialEnd } from "../store/trial-row.ts";
import type { TrainPart } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";
import { aggregatesOf, compositesOf } from "./derived-metrics.ts";
import { budgetEnd } from "./over-budget.ts";
import type { SweepContext, SweepFacts } from "./sweep-context.ts";
import { climbRungs, dropCheckpoints, partOf, rungOf } from "./training-rungs.ts";
import { measure, TrialDeferred, TrialFault, trainSeed } from "./trial-jobs.ts";

/**
 * Stores the metrics that need no device: the layout's size, and any counted metric of a budget or an
 * objective.
 */
function countStatics(trial: Trial, { store, config, budgets, objectives }: SweepFacts): void {
  const wanted = new Set([
    "parameters",
    "attentionLayers",
    ...[...budgets.map((b) => b.metric), ...objectives.map((o) => o.name)],
  ]);
  const statics = [...wanted].flatMap(
    (name) => staticMetric(name, trial.layout, config.measure.quantization) ?? [],
  );
  store.metrics.put(trial.id, statics);
}

/**
 * Measures a trial once on every device. A cause that ends the trial or the sweep is thrown before one that
 * only delays it.
 */
async function measureEverywhere(trial: Trial, context: SweepContext, asItIs: boolean): Promise<void> {
  const { store, config } = context.sweep;
  const measured = await Promise.allSettled(
    context.place.devices.map((device) => measure(trial, measurementOn(device), context, asItIs)),
  );
  const broken = measured.filter((outcome) => outcome.status === "rejected");
  const cause = broken.find(({ reason }) => !(reason instanceof TrialDeferred)) ?? broken[0];
  if (cause !== undefined) throw cause.reason;
  store.metrics.put(trial.id, aggregatesOf(config, store.metrics.ofTrial(trial.id)));
}

/** Trains a trial on a task with every seed: fully, or to the rung at this share of its steps. */
async function train(trial: Trial, task: PreparedTask, context: SweepContext, share = 1): Promise<void> {
  const { store, config } = context.sweep;
  const score = config.score!;
  for (const seed of score.seeds) {
    const part = (): TrainPart => partOf(store, trial, task, seed, score, share);
    const target = trainingOf(task.name, seed, rungOf(share));
    await trainSeed(trial, task, { target, words: `training ${task.name}` }, context, part);
  }
  if (share < 1) return;
  const { scores } = taskOf(task.config.task as TaskName);
  const results = store.jobs.scores(trial.id, task.name);
  store.metrics.put(trial.id, taskMetrics(task.name, scores, results, task.bytesPerToken));
}

/** Takes a trial through all stages and returns its end. Rejects with the error of the job that failed. */
async function endOf(trial: Trial, context: SweepContext, asItIs: boolean): Promise<TrialEnd> {
  const { store, budgets, config } = context.sweep;
  /** The end of a trial whose known metrics exceed a budget; null while it may continue. */
  const overBudget = (): TrialEnd | null => budgetEnd(budgets, store.metrics.ofTrial(trial.id));
  const early = overBudget();
  if (early !== null) return early;
  await measureEverywhere(trial, context, asItIs);
  const slow = overBudget();
  if (slow !== null) return slow;
  const stopped = await climbRungs(trial, context, (task, share) => train(trial, task, context, share));
  if (stopped !== null) return stopped;
  for (const task of context.place.tasks) await train(trial, task, context);
  store.metrics.put(trial.id, compositesOf(config, store.metrics.ofTrial(trial.id)));
  return overBudget() ?? { state: "complete" };
}

/**
 * Measures and scores a proposed trial and records its end. Returns null when the trial has to be tried
 * later, with `asItIs`: then devices are measured in any condition. Rejects only when the sweep itself must
 * stop.
 */
export async function evaluate(
  trial: Trial,
  context: SweepContext,
  asItIs: boolean,
): Promise<TrialEnd | null> {
  const { store, sweepId } = context.sweep;
  const { rungOrder } = context.run;
  const end = (result: TrialEnd): TrialEnd => {
    store.trials.finish(trial.id, result);
    return result;
  };
  countStatics(trial, context.sweep);
  rungOrder.enter(trial.number);
  try {
    return end(await endOf(trial, context, asItIs));
  } catch (error) {
    if (error instanceof TrialDeferred) {
      const ids = { sweepId, trialId: trial.id, cause: "throttled" };
      store.log("deferred", { reason: error.message }, ids);
      return null;
    }
    if (!(error instanceof TrialFault)) throw error;
    const { route, cause, reason } = error.fault;
    await dropCheckpoints(trial, context);
    return end({ state: policies[route].job === "infeasible" ? "infeasible" : "failed", cause, reason });
  } finally {
    rungOrder.leave(trial.number);
  }
}
