// Trains a proxy as a job: one layout, one task and one seed, with its teacher and learning rate; the whole
// run or a part of it. The training itself is left to trainers/.
import type { Layout } from "../../candidates/layout.ts";
import type { Part } from "../../profilers/identity.ts";
import type { TrainResult } from "../../profilers/protocol.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import type { ScoreConfig, TrainerConfig } from "../config/config-score.ts";
import { AgentError } from "../devices/device-errors.ts";
import type { Worker } from "../farm/worker.ts";
import type { LeaseProof } from "../store/lease-table.ts";
import { chooseRate, rateOf } from "./learning-rate.ts";
import { teachingOf } from "./teaching.ts";
import { type Asked, type Body, bodyOf, storedForm } from "./train-request.ts";
import type { OnStep, TrainingEnd } from "./trainers/trainer.ts";
import { trainers } from "./trainers/trainer-registry.ts";
import type { PreparedTask } from "./training-data.ts";

export interface Trained {
  readonly request: unknown;
  readonly result: TrainResult;
  readonly lease: LeaseProof;
}
/** Options for training only a part of a run, or for continuing one. */
export interface TrainPart {
  /** Path for the trained weights, as a GGUF. */
  readonly out?: string;
  /** Pause after this many steps; the checkpoint stays. */
  readonly pauseAt?: number;
  /** The result of the same run at an earlier pause, whose learning rate is kept; a finished run is not continued. */
  readonly before?: Pick<Trained, "request" | "result">;
  /** Called with the teacher's content before anything learns from it; may throw to refuse it. */
  readonly onTeacher?: (teacher: Part) => void;
}
export interface TrainProgress {
  readonly step: number;
  readonly steps: number;
  /** Loss since the last report; null before the first. */
  readonly loss: number | null;
  /** The trained model: the candidate's proxy, its teacher, or a try of a learning rate. */
  readonly what: string;
}

/**
 * Refuses a run that the trainer does not support, before anything is trained.
 * @throws AgentError (`unsupported`).
 */
function requireAble({ backend }: TrainerConfig, { config }: PreparedTask, pauseAt: number): void {
  const { can } = trainers[backend];
  const { distill, precision = "float32" } = config.training;
  const refuse = (what: string): AgentError =>
    new AgentError(
      "unsupported",
      `the ${backend} trainer ${what}; use another one (score.trainer), such as native`,
    );
  if (pauseAt > 0 && !can.pause) throw refuse("cannot pause a run");
  if (distill !== undefined && !can.distil) throw refuse("learns from no teacher");
  if (!can.precisions.some((one) => one === precision)) throw refuse(`does not train in ${precision}`);
}

/**
 * Trains a layout's proxy on one task with one seed, or the requested part of that run. Returns the request,
 * the result and the lease under which it ran.
 */
export async function trainOn(
  worker: Worker,
  layout: Layout,
  task: PreparedTask,
  seed: number,
  config: ScoreConfig,
  onProgress: (progress: TrainProgress) => void,
  { out, pauseAt = 0, before, onTeacher = () => {} }: TrainPart = {},
): Promise<Trained> {
  if (before !== undefined && before.result.stopped !== "paused")
    return { ...before, lease: await worker.exclusively(({ lease }) => Promise.resolve(lease)) };
  requireAble(config.trainer, task, pauseAt);
  const { training } = task.config;
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const proxy = proxyLayout(layout, proxyConfig, task);
  const train = async (what: string, trained: Layout, asked: Asked, until = 0): Promise<TrainingEnd> => {
    const { steps } = asked.body;
    const onStep: OnStep = (step, loss) => onProgress({ step, steps, loss, what });
    const run = { worker, proxy: trained, asked, checkpointEvery: training.checkpointEvery, pauseAt: until };
    const end = await trainers[config.trainer.backend].train(
      { ...run, timeoutMs: config.timeoutSeconds * 1000 },
      worker.signal,
      onStep,
    );
    requirePrecision(asked.body, end.result);
    return end;
  };
  const teaching = await teachingOf({
    task,
    seed,
    config,
    onTeacher,
    train: (teacher, asked) => train("teacher", teacher, asked),
  });
  const ask = (steps: number, rate: number, more: Partial<Body> = {}): Asked => ({
    body: { ...bodyOf(task, seed, config, steps, rate), ...teaching.body, ...more },
    ...(teaching.sha256 === undefined ? {} : { teacherSha256: teaching.sha256 }),
  });
  const { rate, tries } =
    before === undefined
      ? await chooseRate(training, async (steps, tried) => {
          const { result } = await train(`try of ${tried}`, proxy, ask(steps, tried));
          return result;
        })
      : rateOf(before.request);
  const asked = ask(training.steps, rate, out === undefined ? {} : { out });
  const { result, lease, checkpoint } = await train("proxy", proxy, asked, pauseAt);
  const request = {
    ...storedForm(asked),
    proxy: proxyConfig,
    ...(tries.length > 0 ? { learningRateTries: tries } : {}),
    ...(result.stopped === "paused" ? { checkpoint } : {}),
  };
  return { request, result, lease };
}

/**
 * Checks the precision that was used. A trainer that ignores the option would return scores of another
 * precision.
 * @throws AgentError (`unsupported`).
 */
function requirePrecision({ precision = "float32" }: Body, result: TrainResult): void {
  if (result.precision !== precision)
    throw new AgentError("unsupported", `the trainer answered in ${result.precision}, not in ${precision}`);
}
