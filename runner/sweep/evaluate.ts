// One trial from proposal to its end: static budgets, measurements on every device, budgets again, proxy training, budgets
// last. A trial is complete only when every job has a result; whatever else happens is recorded with its cause.
import { setTimeout as sleep } from "node:timers/promises";
import type { Metric } from "../../profilers/device-metrics.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { compositeMetric } from "../../profilers/tasks/composite.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import { taskMetrics } from "../../profilers/tasks/task.ts";
import { type Budget, judge } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config.ts";
import { RunError } from "../errors.ts";
import type { Job, JobKind } from "../store/jobs.ts";
import type { Store } from "../store/store.ts";
import type { Trial, TrialEnd } from "../store/trials.ts";
import { LeaseLostError } from "./device-lease.ts";
import type { Listener } from "./events.ts";
import { type Fault, routeFault } from "./faults.ts";
import { measureOn } from "./jobs.ts";
import { trainOn } from "./train.ts";
import type { PreparedTask } from "./training-data.ts";
import type { Worker } from "./worker.ts";

export interface EvaluateContext {
  readonly store: Store;
  readonly sweepId: number;
  readonly config: SweepConfig;
  readonly objectives: readonly Objective[];
  readonly budgets: readonly Budget[];
  readonly devices: readonly Worker[];
  readonly trainer: Worker;
  readonly tasks: readonly PreparedTask[];
  readonly signal: AbortSignal;
  readonly listen: Listener;
}

/** Pause before a job is tried again after its device failed; doubled each time. */
const FIRST_BACKOFF_MS = 1000;

/** Carries a fault that ends the trial out of its jobs. */
class TrialFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.reason);
  }
}

const valuesOf = (metrics: readonly Metric[]): Record<string, number> =>
  Object.fromEntries(metrics.map(({ name, value }) => [name, value]));

/** Runs one job until it has a result, its device is given up, or the candidate is to blame. */
async function runJob(
  trial: Trial,
  kind: JobKind,
  target: string,
  device: string,
  context: EvaluateContext,
  run: (job: Job) => Promise<void>,
): Promise<void> {
  const { store, listen, signal, config, sweepId } = context;
  for (let doubts = 0, losses = 0; ; ) {
    signal.throwIfAborted();
    const job = store.jobs.start(trial.id, kind, target, device);
    try {
      return await run(job);
    } catch (error) {
      if (signal.aborted) throw error;
      const fault = routeFault(error, device);
      if (fault === null) throw error;
      store.transaction(() => {
        store.jobs.fail(job, fault.kind === "lost" ? "lost" : "failed", fault.cause, fault.reason);
        store.log("fault", { job: kind, target, device, ...fault }, { sweepId, trialId: trial.id });
      });
      if (fault.kind === "lost") {
        losses++;
        if (losses >= config.measure.attempts) {
          throw new RunError(
            "device-lost",
            `${fault.reason}; given up after ${losses} tries. Mend the device and continue with --resume`,
            { cause: error },
          );
        }
        listen({ kind: "retry", trial, text: fault.reason });
        await sleep(FIRST_BACKOFF_MS * 2 ** (losses - 1), undefined, { signal });
      } else if (fault.kind === "failed" && fault.confirm && doubts === 0) {
        doubts++;
        listen({ kind: "retry", trial, text: `${fault.reason}; trying once more` });
      } else {
        throw new TrialFault(fault);
      }
    }
  }
}

async function measure(trial: Trial, worker: Worker, context: EvaluateContext): Promise<void> {
  const { store, config, listen } = context;
  const name = worker.device.name;
  if (store.jobs.isDone(trial.id, "measure", name)) return;
  await runJob(trial, "measure", name, name, context, async (job) => {
    const { request, result, lease } = await measureOn(worker, trial.layout, config.measure, () => {
      store.jobs.begin(job);
      listen({ kind: "job", trial, lane: name, text: `measuring on ${name}` });
    });
    const kept = store.jobs.finishMeasurement(
      job,
      lease,
      {
        device: name,
        agentSha256: worker.agentSha256,
        emulated: worker.emulated,
        probeId: worker.probeId,
        request,
        result,
      },
      deviceMetrics(result, name),
    );
    if (!kept) throw new LeaseLostError(`a stale measurement of ${name} was refused`);
    listen({ kind: "job", trial, lane: null, text: `measured on ${name}, waiting` });
  });
}

async function train(trial: Trial, task: PreparedTask, context: EvaluateContext): Promise<void> {
  const { store, config, listen, trainer } = context;
  const score = config.score!;
  for (const seed of score.seeds) {
    const target = `${task.name}:${seed}`;
    if (store.jobs.isDone(trial.id, "train", target)) continue;
    await runJob(trial, "train", target, trainer.device.name, context, async (job) => {
      const { request, result, lease } = await trainOn(
        trainer,
        trial.layout,
        task,
        seed,
        score,
        ({ step, steps, what }) => {
          if (step === 0) store.jobs.begin(job);
          const which = what === "proxy" ? "" : `, ${what}`;
          listen({
            kind: "job",
            trial,
            lane: "training",
            text: `training ${task.name}, seed ${seed}${which}, step ${step} of ${steps}`,
          });
        },
      );
      const { agentSha256 } = trainer;
      const record = { task: task.name, seed, agentSha256, request, result };
      if (!store.jobs.finishScore(job, lease, record))
        throw new LeaseLostError(`a stale score of ${target} was refused`);
    });
  }
  const { scores } = taskOf(task.config.task as TaskName);
  const results = store.jobs.scores(trial.id, task.name);
  store.trials.putMetrics(trial.id, taskMetrics(task.name, scores, results, task.bytesPerToken));
}

/** Measures and scores a proposed trial, and records its end. Rejects only when the sweep itself must stop. */
export async function evaluate(trial: Trial, context: EvaluateContext): Promise<TrialEnd> {
  const { store, budgets, objectives, config } = context;
  const end = (result: TrialEnd): TrialEnd => {
    store.trials.finish(trial.id, result);
    return result;
  };
  /** The end of a trial over budget, as far as its metrics are known; null while it may go on. */
  const overBudget = (): TrialEnd | null => {
    const verdict = judge(budgets, valuesOf(store.trials.metrics(trial.id)));
    if (verdict.state !== "infeasible") return null;
    const reason = verdict.violations
      .map(
        ({ metric, limit, bound, value }) => `${metric} is ${round(value)}, budget ${limit} ${round(bound)}`,
      )
      .join("; ");
    return { state: "infeasible", cause: "over-budget", reason, violation: verdict.total };
  };

  const wanted = new Set([
    "parameters",
    "attentionLayers",
    ...[...budgets.map((b) => b.metric), ...objectives.map((o) => o.name)],
  ]);
  const statics = [...wanted].flatMap(
    (name) => staticMetric(name, trial.layout, config.measure.quantization) ?? [],
  );
  store.trials.putMetrics(trial.id, statics);
  try {
    const early = overBudget();
    if (early !== null) return end(early);
    const measured = await Promise.allSettled(
      context.devices.map((worker) => measure(trial, worker, context)),
    );
    const broken = measured.find((outcome) => outcome.status === "rejected");
    if (broken !== undefined) throw broken.reason;
    const slow = overBudget();
    if (slow !== null) return end(slow);
    for (const task of context.tasks) await train(trial, task, context);
    const scored = store.trials.metrics(trial.id);
    for (const [name, components] of Object.entries(config.score?.composite ?? {})) {
      const composite = compositeMetric(name, components, scored);
      if (composite !== null) store.trials.putMetrics(trial.id, [composite]);
    }
    const weak = overBudget();
    return end(weak ?? { state: "complete" });
  } catch (error) {
    if (!(error instanceof TrialFault) || error.fault.kind === "lost") throw error;
    const { kind, cause, reason } = error.fault;
    return end({ state: kind, cause, reason });
  }
}

const round = (value: number): string => (Number.isInteger(value) ? `${value}` : value.toPrecision(4));
