// One trial from proposal to its end: static budgets, measurements on every device, budgets again, proxy training, budgets
// last. A trial is complete only when every job has a result; whatever else happens is recorded with its cause.
import { setImmediate } from "node:timers/promises";
import type { Metric, Trust } from "../../profilers/device-metrics.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import type { Part } from "../../profilers/identity.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { type Flag, VOIDING } from "../../profilers/validity.ts";
import type { Budget } from "../../search/budgets.ts";
import { judge } from "../../search/judge.ts";
import type { Objective } from "../../search/strategy.ts";
import { software } from "../base/version.ts";
import type { SweepConfig } from "../config/config.ts";
import { LeaseLostError } from "../farm/device-lease.ts";
import { type Listener, trainingLane } from "../farm/events.ts";
import { type Cause, type Fault, type Policy, policies, routeFault } from "../farm/faults.ts";
import type { Fleet } from "../farm/fleet.ts";
import type { Conduct } from "../farm/measurement/conduct.ts";
import type { SweepWindows } from "../farm/measurement/sweep-windows.ts";
import { measuredWith, type RunningIdentity, trainedWith } from "../farm/sweep-identity.ts";
import type { Worker } from "../farm/worker.ts";
import { type Job, type JobKind, nthTarget } from "../store/job-table.ts";
import type { Store } from "../store/store.ts";
import type { Trial, TrialEnd } from "../store/trial-table.ts";
import { type TrainPart, type TrainProgress, trainOn } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";
import { aggregatesOf, compositesOf } from "./derived-metrics.ts";
import type { RungOrder } from "./rung-order.ts";
import { climbRungs, dropCheckpoints, partOf, rungTask } from "./training-rungs.ts";

export interface EvaluateContext {
  readonly store: Store;
  readonly sweepId: number;
  readonly config: SweepConfig;
  readonly objectives: readonly Objective[];
  readonly budgets: readonly Budget[];
  readonly fleet: Fleet;
  /** The devices that every trial is measured on, by name. */
  readonly devices: readonly string[];
  readonly windows: SweepWindows;
  readonly trainer: string;
  readonly tasks: readonly PreparedTask[];
  readonly identity: RunningIdentity;
  readonly rungOrder: RungOrder;
  readonly signal: AbortSignal;
  readonly listen: Listener;
}

/** Carries a fault that ends the trial out of its jobs. */
export class TrialFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.reason);
  }
}

/** Carries out of its jobs that a trial has to wait: its device is too hot now. */
export class TrialDeferred extends Error {}

/** How far to rely on what was measured so. */
export const trustOf = ({ rules, flags }: Pick<Conduct, "rules" | "flags">): Trust => ({
  cvLimit: rules.cvLimit,
  conditions: !flags.some(isVoid),
});

/** Samples that vary are results all the same; a device that was not itself gave none. */
export const isVoid = (flag: Flag): boolean => flag !== "unstable" && VOIDING.has(flag);

const valuesOf = (metrics: readonly Metric[]): Record<string, number> =>
  Object.fromEntries(metrics.map(({ name, value }) => [name, value]));

/** Runs one job until it has a result, its device is given up, or the candidate is to blame. */
async function runJob(
  trial: Trial,
  kind: JobKind,
  target: string,
  device: string,
  context: EvaluateContext,
  run: (job: Job, worker: Worker) => Promise<void>,
): Promise<void> {
  const { store, listen, signal, sweepId, fleet, config } = context;
  const ids = { sweepId, trialId: trial.id };
  /** How often each cause came in this trial. */
  const seen = new Map<Cause, number>();
  for (;;) {
    signal.throwIfAborted();
    let job = store.jobs.start(trial.id, kind, target, fleet.deviceOf(device));
    // The data of a training run lie on one machine.
    const worker = await fleet.workerFor(device, ids, kind === "measure");
    const { name } = worker.device;
    if (name !== fleet.deviceOf(device)) job = store.jobs.start(trial.id, kind, target, name);
    try {
      await run(job, worker);
      fleet.succeeded(worker);
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      const fault = routeFault(error, name);
      if (fault === null) throw error;
      const { route, cause, reason } = fault;
      const policy: Policy = policies[route];
      store.transaction(() => {
        store.jobs.fail(job, policy.job === "retry" ? "lost" : "failed", cause, reason);
        store.log("fault", { job: kind, target, route, reason }, { ...ids, device: name, cause });
      });
      // Waiting in the queue of a session that broke says nothing about this job; a throttled device was its own affair too.
      if (!fleet.failed(worker, error, fault, ids) && route !== "throttled") continue;
      const times = (seen.get(route) ?? 0) + 1;
      seen.set(route, times);
      if (route === "throttled" && times >= policy.believedAfter) throw new TrialDeferred(reason);
      const killer = route === "agent-died" && times >= config.measure.attempts;
      if (killer || (policy.job !== "retry" && times >= policy.believedAfter)) throw new TrialFault(fault);
      listen({ kind: "retry", trial, text: policy.job === "retry" ? reason : `${reason}; trying once more` });
    }
  }
}

/** Measures a trial on a device for the nth time. Metrics are written with the first result; what later ones make of them is repeat.ts's. */
export async function measure(
  trial: Trial,
  device: string,
  context: EvaluateContext,
  asItIs: boolean,
  nth: number | string = 1,
): Promise<void> {
  const { store, listen } = context;
  const target = nthTarget(device, nth);
  const again = nth === 1 ? "" : " again";
  if (store.jobs.isDone(trial.id, "measure", target)) return;
  await runJob(trial, "measure", target, device, context, async (job, worker) => {
    const { name } = worker.device;
    const onStart = (): void => {
      store.jobs.begin(job);
      listen({ kind: "job", trial, lane: name, text: `measuring${again} on ${name}` });
    };
    const windows = context.windows.of(worker);
    const { request, result, lease, conduct } = await windows.measure(trial.layout, onStart, asItIs);
    // The next job is sent before this one's result is written: the device does not wait for the disk.
    await setImmediate();
    const identity = context.identity.admit(measuredWith(worker, context.config.measure));
    const { agentSha256, emulated, probeId } = worker;
    const record = {
      device: name,
      agentSha256,
      emulated,
      probeId,
      request: { ...(request as object), software: software(), conduct },
      result,
      identity,
    };
    const metrics = nth !== 1 ? [] : deviceMetrics(result, device, trustOf(conduct));
    // Named after the device it was meant for; the record says which equal one did it.
    if (!store.jobs.finishMeasurement(job, lease, record, metrics))
      throw new LeaseLostError(`a stale measurement of ${name} was refused`);
    listen({ kind: "job", trial, lane: null, text: `measured${again} on ${name}, waiting` });
  });
}

/** One training run of a trial: its result is stored under `name` and the seed, and is not asked for again where it is there. */
export async function trainSeed(
  trial: Trial,
  task: PreparedTask,
  { name, seed, words }: { readonly name: string; readonly seed: number; readonly words: string },
  context: EvaluateContext,
  part: () => TrainPart = () => ({}),
): Promise<void> {
  const { store, config, listen, trainer } = context;
  const target = `${name}:${seed}`;
  if (store.jobs.isDone(trial.id, "train", target)) return;
  await runJob(trial, "train", target, trainer, context, async (job, worker) => {
    const lane = trainingLane(worker.device.name);
    const onProgress = ({ step, steps, what }: TrainProgress): void => {
      if (step === 0) store.jobs.begin(job);
      const which = what === "proxy" ? "" : `, ${what}`;
      const text = `${words}, seed ${seed}${which}, step ${step} of ${steps}`;
      listen({ kind: "job", trial, lane, text });
    };
    const content = [...task.parts, ...trainedWith(worker)];
    context.identity.admit(content);
    const onTeacher = (teacher: Part): void => {
      context.identity.admit([teacher]);
      content.push(teacher);
    };
    const asked = { ...part(), onTeacher };
    const trained = await trainOn(worker, trial.layout, task, seed, config.score!, onProgress, asked);
    const { result, lease } = trained;
    const request = { ...(trained.request as object), software: software() };
    const identity = context.identity.admit(content);
    const record = { task: name, seed, agentSha256: worker.agentSha256, request, result, identity };
    if (!store.jobs.finishScore(job, lease, record))
      throw new LeaseLostError(`a stale score of ${target} was refused`);
  });
}

/** Trains a trial on a task with every seed: to the end, or to the rung at this share of its steps. */
async function train(trial: Trial, task: PreparedTask, context: EvaluateContext, share = 1): Promise<void> {
  const { store, config } = context;
  const score = config.score!;
  const name = rungTask(task.name, share);
  for (const seed of score.seeds) {
    const part = (): TrainPart => partOf(store, trial, task, seed, score, share);
    await trainSeed(trial, task, { name, seed, words: `training ${task.name}` }, context, part);
  }
  if (share < 1) return;
  const { scores } = taskOf(task.config.task as TaskName);
  const results = store.jobs.scores(trial.id, task.name);
  store.trials.putMetrics(trial.id, taskMetrics(task.name, scores, results, task.bytesPerToken));
}

/**
 * Measures and scores a proposed trial, and records its end; null: it has to be tried later, when devices are taken `asItIs`. Rejects only
 * when the sweep itself must stop.
 */
export async function evaluate(
  trial: Trial,
  context: EvaluateContext,
  asItIs: boolean,
): Promise<TrialEnd | null> {
  const { store, budgets, objectives, config, sweepId } = context;
  const ids = { sweepId, trialId: trial.id };
  const end = (result: TrialEnd): TrialEnd => {
    store.trials.finish(trial.id, result);
    return result;
  };
  /** The end of a trial over budget, as far as its metrics are known; null while it may go on. */
  const overBudget = (): TrialEnd | null => budgetEnd(budgets, store.trials.metrics(trial.id));

  const wanted = new Set([
    "parameters",
    "attentionLayers",
    ...[...budgets.map((b) => b.metric), ...objectives.map((o) => o.name)],
  ]);
  const statics = [...wanted].flatMap(
    (name) => staticMetric(name, trial.layout, config.measure.quantization) ?? [],
  );
  store.trials.putMetrics(trial.id, statics);
  context.rungOrder.enter(trial.number);
  try {
    const early = overBudget();
    if (early !== null) return end(early);
    const measured = await Promise.allSettled(
      context.devices.map((device) => measure(trial, device, context, asItIs)),
    );
    const broken = measured.filter((outcome) => outcome.status === "rejected");
    // A cause that ends the trial or the sweep goes before one that only delays it.
    const cause = broken.find(({ reason }) => !(reason instanceof TrialDeferred)) ?? broken[0];
    if (cause !== undefined) throw cause.reason;
    const metrics = store.trials.metrics(trial.id);
    store.trials.putMetrics(trial.id, aggregatesOf(config, metrics));
    const slow = overBudget();
    if (slow !== null) return end(slow);
    const stopped = await climbRungs(trial, context, (task, share) => train(trial, task, context, share));
    if (stopped !== null) return end(stopped);
    for (const task of context.tasks) await train(trial, task, context);
    store.trials.putMetrics(trial.id, compositesOf(config, store.trials.metrics(trial.id)));
    const weak = overBudget();
    return end(weak ?? { state: "complete" });
  } catch (error) {
    if (error instanceof TrialDeferred) {
      store.log("deferred", { reason: error.message }, { ...ids, cause: "throttled" });
      return null;
    }
    if (!(error instanceof TrialFault)) throw error;
    const { route, cause, reason } = error.fault;
    await dropCheckpoints(trial, context);
    return end({ state: policies[route].job === "infeasible" ? "infeasible" : "failed", cause, reason });
  } finally {
    context.rungOrder.leave(trial.number);
  }
}

/** The end of a trial with these metrics where they break a budget; null where they break none. */
export function budgetEnd(budgets: readonly Budget[], metrics: readonly Metric[]): TrialEnd | null {
  const verdict = judge(budgets, valuesOf(metrics));
  if (verdict.state !== "infeasible") return null;
  const reason = verdict.violations
    .map(({ metric, limit, bound, value }) => `${metric} is ${round(value)}, budget ${limit} ${round(bound)}`)
    .join("; ");
  return { state: "infeasible", cause: "over-budget", reason, violation: verdict.total };
}

const round = (value: number): string =>
  Number.isInteger(value) ? `${value}` : String(Number(value.toPrecision(4)));
