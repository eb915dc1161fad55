// Measures trials in new sessions and trains them with new seeds for a confirmation. States the jobs of a
// round and the metrics of their results alone. A finished job is not repeated.
import { joinedMetrics, type Metric, type TrustedResult } from "../../profilers/device-metrics.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import type { Conduct } from "../farm/measurement/conduct.ts";
import { type JobTarget, measurementOn, trainingOf } from "../store/job-target.ts";
import type { Trial } from "../store/trial-row.ts";
import { aggregatesOf, compositesOf } from "./derived-metrics.ts";
import type { SweepContext } from "./sweep-context.ts";
import { measure, TrialDeferred, TrialFault, trainSeed, trustOf } from "./trial-jobs.ts";

/** One of the new sessions, counted from 1, with its seed. */
export interface Round {
  readonly confirmation: number;
  readonly session: number;
  readonly seed: number;
}

/**
 * Returns why a layout has no new values, in one line, when the layout is to blame; null for any other error.
 */
export function faultOf(error: unknown): string | null {
  return error instanceof TrialFault ? error.fault.reason : null;
}

/** A device that does not come to rest is measured anyway, and the result is marked. */
async function measureFresh(trial: Trial, target: JobTarget, context: SweepContext): Promise<void> {
  try {
    await measure(trial, target, context, false);
  } catch (error) {
    if (!(error instanceof TrialDeferred)) throw error;
    await measure(trial, target, context, true);
  }
}

const sessionOn = (device: string, { confirmation, session }: Round): JobTarget =>
  measurementOn(device, session, { confirmation });

const seedOf = (task: string, { confirmation, seed }: Round): JobTarget =>
  trainingOf(task, seed, { confirmation });

/**
 * Measures one session of every trial on every device, side by side in one window, then trains one seed of
 * each task. Returns the trials (ids) that are to blame for a missing result, with the reason.
 */
export async function takeRound(
  trials: readonly Trial[],
  round: Round,
  context: SweepContext,
): Promise<ReadonlyMap<number, string>> {
  const faults = new Map<number, string>();
  const note = (trial: Trial, error: unknown): void => {
    const fault = faultOf(error);
    if (fault === null) throw error;
    faults.set(trial.id, fault);
  };
  const measured = await Promise.allSettled(
    trials.flatMap((trial) =>
      context.place.devices.map((device) =>
        measureFresh(trial, sessionOn(device, round), context).catch((error: unknown) => note(trial, error)),
      ),
    ),
  );
  for (const outcome of measured) if (outcome.status === "rejected") throw outcome.reason;
  for (const task of context.place.tasks)
    for (const trial of trials) {
      if (faults.has(trial.id)) continue;
      const run = { target: seedOf(task.name, round), words: `confirming ${task.name}` };
      await trainSeed(trial, task, run, context).catch((error: unknown) => note(trial, error));
    }
  return faults;
}

/** Returns whether every job of the round is done. */
export const isTaken = (trial: Trial, round: Round, { sweep: { store }, place }: SweepContext): boolean =>
  place.devices.every((device) => store.jobs.isDone(trial.id, sessionOn(device, round))) &&
  place.tasks.every(({ name }) => store.jobs.isDone(trial.id, seedOf(name, round)));

/** The results of one device in these rounds; a string says why they are unusable. */
function onDevice(
  trial: Trial,
  device: string,
  rounds: readonly Round[],
  { sweep: { store } }: SweepContext,
): readonly TrustedResult[] | string {
  const parts = rounds.map((round) => {
    const { request, result } = store.jobs.measured(trial.id, sessionOn(device, round))!;
    return { result, trust: trustOf((request as { readonly conduct: Conduct }).conduct) };
  });
  const first = store.jobs.measured(trial.id, measurementOn(device))?.result ?? parts[0]!.result;
  return parts.every(({ result }) => result.outputHash === first.outputHash)
    ? parts
    : `${device} generated other tokens than at the first measurement`;
}

/**
 * Returns metrics from the results of these rounds alone, with the requested counted ones. Returns a string
 * that says why when the results are unusable.
 */
export function freshMetrics(
  trial: Trial,
  rounds: readonly Round[],
  counted: readonly string[],
  context: SweepContext,
): readonly Metric[] | string {
  const { store, config } = context.sweep;
  const metrics: Metric[] = [];
  for (const device of context.place.devices) {
    const parts = onDevice(trial, device, rounds, context);
    if (typeof parts === "string") return parts;
    metrics.push(...joinedMetrics(parts, device));
  }
  metrics.push(...aggregatesOf(config, metrics));
  for (const task of context.place.tasks) {
    const results = rounds.map((round) => store.jobs.score(trial.id, seedOf(task.name, round))!.result);
    const { scores } = taskOf(task.config.task as TaskName);
    metrics.push(...taskMetrics(task.name, scores, results, task.bytesPerToken));
  }
  metrics.push(...compositesOf(config, metrics));
  const known = new Set(metrics.map(({ name }) => name));
  return [
    ...metrics,
    ...counted.flatMap((name) =>
      known.has(name) ? [] : (staticMetric(name, trial.layout, config.measure.quantization) ?? []),
    ),
  ];
}
