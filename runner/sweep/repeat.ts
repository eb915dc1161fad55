// Repeats the jobs of a complete trial, with the same windows, gates and leases as the first time. The new
// samples join the trial's, and its values are estimated from all of them. A failed or discarded repetition
// is stored with its cause and changes nothing.
import { joinedMetrics, type Metric, type TrustedResult } from "../../profilers/device-metrics.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { Conduct } from "../farm/measurement/conduct.ts";
import { measurementOn, trainingOf } from "../store/job-target.ts";
import type { Repetition, RepetitionFault } from "../store/repetition-table.ts";
import type { Trial } from "../store/trial-row.ts";
import type { PreparedTask } from "../training/training-data.ts";
import { aggregatesOf, compositesOf } from "./derived-metrics.ts";
import { budgetEnd } from "./over-budget.ts";
import type { SweepContext } from "./sweep-context.ts";
import { isVoid, measure, TrialDeferred, TrialFault, trainSeed, trustOf } from "./trial-jobs.ts";

/** The result of a repetition: the trial as it is now, and one line for people. */
export interface Repeated {
  readonly trial: Trial;
  readonly joined: boolean;
  readonly text: string;
}

/** Signals from within a repetition why it failed. */
class RepetitionVoid extends Error {
  constructor(readonly fault: RepetitionFault) {
    super(fault.reason);
  }
}

/**
 * Does the remaining jobs of a repetition and records its end. Rejects only when the sweep itself must stop.
 */
export async function repeat(repetition: Repetition, context: SweepContext): Promise<Repeated> {
  const { store, budgets, objectives } = context.sweep;
  const trialNow = (): Trial => store.trials.some([repetition.trialId])[0]!;
  const trial = trialNow();
  try {
    if (trial.state !== "complete")
      throw new RepetitionVoid({
        cause: "not-complete",
        reason: "the layout turned out over budget meanwhile",
      });
    await (repetition.kind === "measure" ? measureAgain : trainAgain)(trial, repetition, context);
    const metrics = joined(trial, repetition, context);
    const before = new Map(store.metrics.ofTrial(trial.id).map((metric) => [metric.name, metric]));
    const after = new Map([...before, ...metrics.map((metric) => [metric.name, metric] as const)]);
    const again = repetition.kind === "measure" ? "measured" : "trained";
    const end = budgetEnd(budgets, [...after.values()], again);
    store.repetitions.join(repetition, metrics, end);
    const moved = objectives
      .filter(({ name }) => metrics.some((metric) => metric.name === name))
      .map(
        ({ name, unit }) =>
          `${metricLabel(name)} ${formatValue(before.get(name)!.value, unit)} -> ${formatValue(after.get(name)!.value, unit)}`,
      );
    return { trial: trialNow(), joined: true, text: end?.reason ?? moved.join(", ") };
  } catch (error) {
    const fault = faultOf(error);
    if (fault === null) throw error;
    store.repetitions.fail(repetition, fault);
    return { trial, joined: false, text: `failed (${fault.reason}); the earlier values are kept` };
  }
}

/** Why the repetition failed; null when the sweep has to stop. */
function faultOf(error: unknown): RepetitionFault | null {
  if (error instanceof TrialFault || error instanceof RepetitionVoid) {
    const { cause, reason } = error.fault;
    return { cause, reason };
  }
  return error instanceof TrialDeferred ? { cause: "throttled", reason: error.message } : null;
}

async function measureAgain(
  trial: Trial,
  { sources, nth }: Repetition,
  context: SweepContext,
): Promise<void> {
  const outcomes = await Promise.allSettled(
    sources.map((device) => measure(trial, measurementOn(device, nth), context, false)),
  );
  const broken = outcomes.filter((outcome) => outcome.status === "rejected");
  // A cause that stops the sweep is thrown before one that ends the repetition.
  const cause = broken.find(({ reason }) => faultOf(reason) === null) ?? broken[0];
  if (cause !== undefined) throw cause.reason;
}

async function trainAgain(trial: Trial, { sources, nth }: Repetition, context: SweepContext): Promise<void> {
  for (const task of sources) {
    const run = { target: trainingOf(task, nth), words: `training ${task} again` };
    await trainSeed(trial, taskNamed(task, context), run, context);
  }
}

const taskNamed = (name: string, { place }: SweepContext): PreparedTask =>
  place.tasks.find((task) => task.name === name)!;

/** The metrics that change, from all counting results of the trial and those of this repetition. */
function joined(trial: Trial, repetition: Repetition, context: SweepContext): readonly Metric[] {
  const { store, config } = context.sweep;
  const { kind, sources, nth } = repetition;
  const own = sources.flatMap((source) =>
    kind === "measure"
      ? measuredMetrics(trial, source, nth, context)
      : trainedMetrics(trial, source, nth, context),
  );
  const known = new Map(store.metrics.ofTrial(trial.id).map((metric) => [metric.name, metric]));
  for (const metric of own) known.set(metric.name, metric);
  const aggregates = aggregatesOf(config, [...known.values()]);
  for (const metric of aggregates) known.set(metric.name, metric);
  return [...own, ...aggregates, ...compositesOf(config, [...known.values()])];
}

/** The measurement numbers, or seeds, of earlier repetitions of the same device or task that count. */
function countedBefore(trial: Trial, source: string, { sweep }: SweepContext): readonly number[] {
  return sweep.store.repetitions
    .ofTrial(trial.id)
    .filter(({ state, sources }) => state === "joined" && sources.includes(source))
    .map(({ nth }) => nth);
}

/**
 * @throws RepetitionVoid where the measurement has a flag that voids it, or the device generated other tokens
 * than before.
 */
function measuredMetrics(
  trial: Trial,
  device: string,
  nth: number,
  context: SweepContext,
): readonly Metric[] {
  const { store } = context.sweep;
  const parts = [1, ...countedBefore(trial, device, context), nth].map((n) => {
    const { request, result } = store.jobs.measured(trial.id, measurementOn(device, n))!;
    return { result, conduct: (request as { readonly conduct: Conduct }).conduct };
  });
  const { conduct, result } = parts.at(-1)!;
  const voiding = conduct.flags.filter(isVoid);
  if (voiding.length > 0)
    throw new RepetitionVoid({
      cause: "void",
      reason: `the measurement on ${device} is marked ${voiding.join(", ")}`,
    });
  if (result.outputHash !== parts[0]!.result.outputHash)
    throw new RepetitionVoid({
      cause: "wrong-output",
      reason: `${device} generated other tokens than at the first measurement`,
    });
  const trusted = parts.map((part): TrustedResult => ({ result: part.result, trust: trustOf(part.conduct) }));
  return joinedMetrics(trusted, device);
}

function trainedMetrics(trial: Trial, name: string, nth: number, context: SweepContext): readonly Metric[] {
  const { store, config } = context.sweep;
  const task = taskNamed(name, context);
  const all = [...config.score!.seeds, ...countedBefore(trial, name, context), nth].sort((a, b) => a - b);
  const results = all.map((seed) => store.jobs.score(trial.id, trainingOf(name, seed))!.result);
  return taskMetrics(name, taskOf(task.config.task as TaskName).scores, results, task.bytesPerToken);
}
