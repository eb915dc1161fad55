// The jobs of a trial: one measurement on one device, or one training run with one seed. Each job is tried
// until it has a result, its device is given up, or the candidate is to blame. Which jobs a trial needs, and
// how it ends, is decided by evaluate.ts, repeat.ts and confirm-rounds.ts.
import { setImmediate } from "node:timers/promises";
import { deviceMetrics, type Trust } from "../../profilers/device-metrics.ts";
import type { Part } from "../../profilers/identity.ts";
import { type Flag, VOIDING } from "../../profilers/validity.ts";
import { software } from "../base/version.ts";
import { LeaseLostError } from "../farm/device-lease.ts";
import { trainingLane } from "../farm/events.ts";
import { type Cause, type Fault, type Policy, policies, routeFault } from "../farm/faults.ts";
import type { Conduct } from "../farm/measurement/conduct.ts";
import { measuredWith, trainedWith } from "../farm/sweep-identity.ts";
import type { Worker } from "../farm/worker.ts";
import type { Job } from "../store/job-table.ts";
import { type JobTarget, keyOf, trainedTask } from "../store/job-target.ts";
import type { Trial } from "../store/trial-row.ts";
import { type TrainPart, type TrainProgress, trainOn } from "../training/train.ts";
import type { PreparedTask } from "../training/training-data.ts";
import type { SweepContext } from "./sweep-context.ts";

/** Signals that a fault of a job ends the trial. */
export class TrialFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.reason);
  }
}

/** Signals that a trial has to wait because its device is too hot now. */
export class TrialDeferred extends Error {}

/** Returns how far a measurement can be trusted, from its rules and flags. */
export const trustOf = ({ rules, flags }: Pick<Conduct, "rules" | "flags">): Trust => ({
  cvLimit: rules.cvLimit,
  conditions: !flags.some(isVoid),
});

/**
 * Returns whether a flag voids a measurement. Samples that vary are still results; a disturbed device gave
 * none.
 */
export const isVoid = (flag: Flag): boolean => flag !== "unstable" && VOIDING.has(flag);

/**
 * Applies the policy for a fault. Throws when the fault ends or delays the trial; returns when the job is to
 * be tried again.
 */
function answerFault(
  fault: Fault,
  { trial, job, target, worker }: { trial: Trial; job: Job; target: JobTarget; worker: Worker },
  error: unknown,
  seen: Map<Cause, number>,
  { sweep, place, run }: SweepContext,
): void {
  const { store, sweepId, config } = sweep;
  const { route, cause, reason } = fault;
  const policy: Policy = policies[route];
  const ids = { sweepId, trialId: trial.id };
  store.transaction(() => {
    store.jobs.fail(job, policy.job === "retry" ? "lost" : "failed", cause, reason);
    const fact = { job: target.kind, target: keyOf(target), route, reason };
    store.log("fault", fact, { ...ids, device: worker.device.name, cause });
  });
  // Waiting in the queue of a broken session says nothing about this job. A throttled device, in contrast,
  // always counts.
  if (!place.fleet.failed(worker, error, fault, ids) && route !== "throttled") return;
  const times = (seen.get(route) ?? 0) + 1;
  seen.set(route, times);
  if (route === "throttled" && times >= policy.believedAfter) throw new TrialDeferred(reason);
  const killer = route === "agent-died" && times >= config.measure.attempts;
  if (killer || (policy.job !== "retry" && times >= policy.believedAfter)) throw new TrialFault(fault);
  run.listen({ kind: "retry", trial, text: policy.job === "retry" ? reason : `${reason}; trying once more` });
}

/** Runs one job on `device` or its stand-in, as often as its faults allow. */
async function runJob(
  trial: Trial,
  target: JobTarget,
  device: string,
  context: SweepContext,
  run: (job: Job, worker: Worker) => Promise<void>,
): Promise<void> {
  const { store, sweepId } = context.sweep;
  const { fleet } = context.place;
  const { signal } = context.run;
  /** How often each cause occurred in this trial. */
  const seen = new Map<Cause, number>();
  for (;;) {
    signal.throwIfAborted();
    let job = store.jobs.start(trial.id, target, fleet.deviceOf(device));
    // The data of a training run exist on one machine only, so the run cannot move.
    const worker = await fleet.workerFor(device, { sweepId, trialId: trial.id }, target.kind === "measure");
    const { name } = worker.device;
    if (name !== fleet.deviceOf(device)) job = store.jobs.start(trial.id, target, name);
    try {
      await run(job, worker);
      fleet.succeeded(worker);
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      const fault = routeFault(error, name);
      if (fault === null) throw error;
      answerFault(fault, { trial, job, target, worker }, error, seen, context);
    }
  }
}

/**
 * Measures a trial on the device that `target` names. Stores metrics only with the first result; repeat.ts
 * joins later ones. With `asItIs` it measures even a device that does not come to rest.
 */
export async function measure(
  trial: Trial,
  target: JobTarget,
  context: SweepContext,
  asItIs: boolean,
): Promise<void> {
  const { store, config } = context.sweep;
  const { listen } = context.run;
  const { source: device } = target;
  const isFirst = target.nth === 1 && target.confirmation === null;
  const again = isFirst ? "" : " again";
  if (store.jobs.isDone(trial.id, target)) return;
  await runJob(trial, target, device, context, async (job, worker) => {
    const { name } = worker.device;
    const onStart = (): void => {
      store.jobs.begin(job);
      listen({ kind: "job", trial, lane: name, text: `measuring${again} on ${name}` });
    };
    const windows = context.place.windows.of(worker);
    const { request, result, lease, conduct } = await windows.measure(trial.layout, onStart, asItIs);
    // Yields so that the next job is sent before this result is written: the device does not wait for the
    // disk.
    await setImmediate();
    const identity = context.place.identity.admit(measuredWith(worker, config.measure));
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
    const metrics = isFirst ? deviceMetrics(result, device, trustOf(conduct)) : [];
    // Metrics are named after the planned device. The record names the device that took the measurement.
    if (!store.jobs.finishMeasurement(job, lease, record, metrics))
      throw new LeaseLostError(`a stale measurement of ${name} was refused`);
    listen({ kind: "job", trial, lane: null, text: `measured${again} on ${name}, waiting` });
  });
}

/**
 * Trains a trial once on the task that `target` names; `words` describe the run in progress lines. A finished
 * run is not repeated.
 */
export async function trainSeed(
  trial: Trial,
  task: PreparedTask,
  { target, words }: { readonly target: JobTarget; readonly words: string },
  context: SweepContext,
  part: () => TrainPart = () => ({}),
): Promise<void> {
  const { store, config } = context.sweep;
  const { identity: running, trainer } = context.place;
  const { nth: seed } = target;
  if (store.jobs.isDone(trial.id, target)) return;
  await runJob(trial, target, trainer, context, async (job, worker) => {
    const lane = trainingLane(worker.device.name);
    const onProgress = ({ step, steps, what }: TrainProgress): void => {
      if (step === 0) store.jobs.begin(job);
      const which = what === "proxy" ? "" : `, ${what}`;
      const text = `${words}, seed ${seed}${which}, step ${step} of ${steps}`;
      context.run.listen({ kind: "job", trial, lane, text });
    };
    const content = [...task.parts, ...trainedWith(worker)];
    running.admit(content);
    const onTeacher = (teacher: Part): void => {
      running.admit([teacher]);
      content.push(teacher);
    };
    const asked = { ...part(), onTeacher };
    const trained = await trainOn(worker, trial.layout, task, seed, config.score!, onProgress, asked);
    const { result, lease } = trained;
    const request = { ...(trained.request as object), software: software() };
    const identity = running.admit(content);
    const { agentSha256 } = worker;
    const record = { task: trainedTask(target), seed, agentSha256, request, result, identity };
    if (!store.jobs.finishScore(job, lease, record))
      throw new LeaseLostError(`a stale score of ${keyOf(target)} was refused`);
  });
}
