// Proxy training as a job: the request for a layout on a task with a seed; the teacher it may learn from, trained once and kept; the short
// runs that choose a learning rate; and the checkpoint by which a killed run goes on. The stored form of a request leaves out the plan (the
// layout and the seed determine it) and paths of this machine.
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Part } from "../../profilers/identity.ts";
import type { TrainResult } from "../../profilers/protocol.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import type { TrainRequest } from "../../profilers/requests.ts";
import { partOf, publishSealed, sha256OfFile, unbroken } from "../base/durable-files.ts";
import { cacheFolder, cachePath } from "../base/paths.ts";
import type { ScoreConfig, TaskConfig } from "../config/config-score.ts";
import { layoutFrom } from "../config/layouts.ts";
import { isGguf } from "../config/model-files.ts";
import { AgentError } from "../devices/device-errors.ts";
import { planOf } from "../farm/job-requests.ts";
import type { Worker } from "../farm/worker.ts";
import type { LeaseProof } from "../store/lease-table.ts";
import { requireIntact } from "./data-files.ts";
import { isTeacherFile, type PreparedTask, teacherDigest, teacherPart } from "./training-data.ts";

type Training = TaskConfig["training"];

export interface Trained {
  readonly request: unknown;
  readonly result: TrainResult;
  readonly lease: LeaseProof;
}
/** What of a training run is asked for, where it is not the whole of it from the start. */
export interface TrainPart {
  /** Where the trained weights go, as a GGUF. */
  readonly out?: string;
  /** Pause after so many steps; the checkpoint stays. */
  readonly pauseAt?: number;
  /** What the same run came to at an earlier pause: it goes on with its learning rate, and where it had ended it has ended. */
  readonly before?: Pick<Trained, "request" | "result">;
  /** Told of the teacher's content before anything learns from it; may throw to refuse it. */
  readonly onTeacher?: (teacher: Part) => void;
}
export interface TrainProgress {
  readonly step: number;
  readonly steps: number;
  /** Since the last report; null before the first. */
  readonly loss: number | null;
  /** What is trained: the candidate itself, its teacher, or a try of a learning rate. */
  readonly what: string;
}

type Body = Omit<TrainRequest, "model">;

/** A training run to be asked for. */
interface Asked {
  readonly body: Body;
  /** Digest of the teacher: its name in the body says nothing of its content. */
  readonly teacherSha256?: string;
}
/** The part of a request that makes it distil; empty where it does not. */
type Teaching = Partial<Pick<Body, "objective" | "teacher">>;

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

/** A request without the paths of this machine: what is stored, and what its checkpoint is named by. */
function storedForm({ body, teacherSha256 }: Asked): Record<string, unknown> {
  const { data, checkpoint: _checkpoint, out: _out, teacher, ...rest } = body;
  const files = { ...data, train: basename(data.train), validation: basename(data.validation) };
  if (teacher === undefined) return { ...rest, data: files };
  const name = basename("path" in teacher ? teacher.path : teacher.logits);
  return { ...rest, data: files, teacher: name, teacherSha256 };
}

/** One training run of a proxy layout; goes on from its checkpoint where one was left. */
async function run(
  worker: Worker,
  proxy: Layout,
  asked: Asked,
  config: ScoreConfig,
  checkpointEvery: number,
  onProgress: (step: number, loss: number | null) => void,
  pauseAt = 0,
): Promise<{ readonly result: TrainResult; readonly lease: LeaseProof; readonly checkpoint: string }> {
  const { body } = asked;
  const { plan } = lower(proxy, { quantization: "f32", seed: body.seed });
  cacheFolder("runs");
  const { session, agentSha256 } = await worker.open();
  // Another agent may round otherwise: it starts over.
  const name = `${hashOf([storedForm(asked), plan.toString("base64"), agentSha256])}.checkpoint`;
  const pause = pauseAt > 0 ? { pauseAt } : {};
  const checkpoint = { path: cachePath("runs", name), every: checkpointEvery, ...pause };
  return worker.exclusively(async (turn) => {
    const put = async (path: string): Promise<string> =>
      worker.device.transport === "local"
        ? path
        : session.upload(path, `data/${basename(path)}`, await sha256OfFile(path), { signal: turn.signal });
    const { data } = body;
    await requireIntact([data.train, data.validation]);
    const files = { train: await put(data.train), validation: await put(data.validation) };
    onProgress(0, null);
    const train = (): Promise<TrainResult> =>
      session.request(
        "train",
        { ...body, data: { ...data, ...files }, checkpoint, model: planOf(plan) },
        {
          timeoutMs: config.timeoutSeconds * 1000,
          signal: turn.signal,
          onProgress: ({ step, loss }) => onProgress(step, loss),
        },
      );
    const result = await train().catch(async (error: unknown) => {
      const code = error instanceof AgentError ? error.code : null;
      if (code === "diverged" || code === "bad-checkpoint") await rm(checkpoint.path, { force: true });
      if (code !== "bad-checkpoint") throw error;
      // It was damaged, or of another processor: without it the run starts over, to the same result.
      return train();
    });
    // A trainer that knows no such thing would leave it out, and its score would pass for another.
    const precision = body.precision ?? "float32";
    if (result.precision !== precision)
      throw new AgentError("unsupported", `the trainer answered in ${result.precision}, not in ${precision}`);
    return { result, lease: turn.lease, checkpoint: name };
  });
}

/** The request of a training run, but for its model, its learning rate and its teacher. */
function bodyOf(task: PreparedTask, seed: number, config: ScoreConfig, steps: number, rate: number): Body {
  const { training } = task.config;
  return {
    seed,
    steps,
    batch: training.batch,
    evalBatches: training.evalBatches,
    optimizer: {
      learningRate: rate,
      minLearningRate: training.minLearningRate ?? rate / 10,
      warmupSteps: training.warmupSteps ?? Math.ceil(steps / 10),
      weightDecay: training.weightDecay,
      clip: training.clip,
      beta2: training.beta2,
    },
    ...(training.precision === "bfloat16" ? { precision: training.precision } : {}),
    ...(task.head === "pooled" ? { head: "pooled" as const } : {}),
    ...(training.baseWidth === undefined ? {} : { baseWidth: training.baseWidth }),
    ...(training.stop === undefined ? {} : { stop: training.stop }),
    threads: config.threads,
    data: { kind: task.kind, train: task.trainPath, validation: task.validationPath, length: task.length },
  };
}

const ratedSchema = z.object({
  optimizer: z.object({ learningRate: z.number() }),
  learningRateTries: z.array(z.tuple([z.number(), z.number().nullable()])).default([]),
});

/** The learning rate that an earlier part of a run was trained with, and how it was found. */
function rateOf(request: unknown): Rate {
  const { optimizer, learningRateTries } = ratedSchema.parse(request);
  return { rate: optimizer.learningRate, tries: learningRateTries };
}

/** Trains a layout's proxy on one task with one seed, or the part of it that is asked for. */
export async function trainOn(
  worker: Worker,
  layout: Layout,
  task: PreparedTask,
  seed: number,
  config: ScoreConfig,
  onProgress: (progress: TrainProgress) => void,
  { out, pauseAt, before, onTeacher = () => {} }: TrainPart = {},
): Promise<Trained> {
  if (before !== undefined && before.result.stopped !== "paused")
    return { ...before, lease: await worker.exclusively(({ lease }) => Promise.resolve(lease)) };
  const { training } = task.config;
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const proxy = proxyLayout(layout, proxyConfig, task);
  const report =
    (what: string, steps: number) =>
    (step: number, loss: number | null): void =>
      onProgress({ step, steps, loss, what });
  const { sha256, ...teaching } =
    training.distill === undefined
      ? { sha256: undefined }
      : await teachingOf(
          worker,
          task,
          seed,
          config,
          training,
          (steps) => report("teacher", steps),
          onTeacher,
        );
  const ask = (steps: number, rate: number, more: Partial<Body> = {}): Asked => ({
    body: { ...bodyOf(task, seed, config, steps, rate), ...teaching, ...more },
    ...(sha256 === undefined ? {} : { teacherSha256: sha256 }),
  });
  const { rate, tries } =
    before === undefined
      ? await chooseRate(worker, proxy, task.config.training, config, ask, report)
      : rateOf(before.request);
  const asked = ask(training.steps, rate, out === undefined ? {} : { out });
  const { result, lease, checkpoint } = await run(
    worker,
    proxy,
    asked,
    config,
    training.checkpointEvery,
    report("proxy", training.steps),
    pauseAt,
  );
  const request = {
    ...storedForm(asked),
    proxy: proxyConfig,
    ...(tries.length > 0 ? { learningRateTries: tries } : {}),
    ...(result.stopped === "paused" ? { checkpoint } : {}),
  };
  return { request, result, lease };
}

interface Rate {
  readonly rate: number;
  /** Learning rates that were tried, each with its loss; null where it diverged. */
  readonly tries: readonly (readonly [number, number | null])[];
}
type Reporter = (what: string, steps: number) => (step: number, loss: number | null) => void;

/** The learning rate of this candidate: the configured one, or the best of short runs. A try that diverges is no candidate. */
async function chooseRate(
  worker: Worker,
  proxy: Layout,
  { learningRate, learningRateTrial, steps, checkpointEvery }: Training,
  config: ScoreConfig,
  ask: (steps: number, rate: number) => Asked,
  report: Reporter,
): Promise<Rate> {
  if (typeof learningRate === "number") return { rate: learningRate, tries: [] };
  const short = Math.max(1, Math.round(steps * learningRateTrial));
  const tries: [number, number | null][] = [];
  for (const rate of learningRate) {
    try {
      const onProgress = report(`try of ${rate}`, short);
      const { result } = await run(worker, proxy, ask(short, rate), config, checkpointEvery, onProgress);
      tries.push([rate, result.validation.loss]);
    } catch (error) {
      if (!(error instanceof AgentError) || error.code !== "diverged") throw error;
      tries.push([rate, null]);
    }
  }
  const finite = tries.filter((pair): pair is [number, number] => pair[1] !== null);
  // Where every try diverges the smallest rate is taken: its full run says so as a recorded outcome.
  const best = finite.reduce<[number, number] | null>((a, b) => (a === null || b[1] < a[1] ? b : a), null);
  return { rate: best?.[0] ?? Math.min(...learningRate), tries };
}

/** The objective and teacher of a distilling run; a teacher given as a layout is trained here once, and kept in the cache. */
async function teachingOf(
  worker: Worker,
  task: PreparedTask,
  seed: number,
  config: ScoreConfig,
  training: Training,
  report: (steps: number) => (step: number, loss: number | null) => void,
  onTeacher: (teacher: Part) => void,
): Promise<Teaching & { readonly sha256: string }> {
  const { teacher, teacherSteps, objective, k, temperature, mix } = training.distill!;
  const body = { objective: { kind: objective, k: Math.min(k, task.vocab - 1), temperature, mix } };
  if (task.head === "pooled")
    throw new InvalidInputError("no-teacher", `task "${task.name}" has no next tokens to distil`);
  if (isTeacherFile(teacher)) {
    const path = resolve(teacher);
    const sha256 = await teacherDigest(teacher);
    onTeacher(teacherPart(task.name, sha256, basename(teacher)));
    return { ...body, sha256, teacher: isGguf(teacher) ? { path } : { logits: path } };
  }
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const layout = proxyLayout(layoutFrom(teacher), proxyConfig, task);
  const steps = teacherSteps ?? training.steps;
  const rate =
    typeof training.learningRate === "number" ? training.learningRate : Math.min(...training.learningRate);
  const request = bodyOf(task, seed, config, steps, rate);
  cacheFolder("teachers");
  const path = cachePath("teachers", `${hashOf([storedForm({ body: request }), layout])}.gguf`);
  let sha256 = await unbroken(path);
  if (sha256 === null) {
    const out = partOf(path);
    const asked = { body: { ...request, out } };
    await run(worker, layout, asked, config, training.checkpointEvery, report(steps));
    sha256 = await publishSealed(out, path);
  }
  onTeacher(teacherPart(`${task.name} seed ${seed}`, sha256, `trained for ${steps} steps`));
  return { ...body, sha256, teacher: { path } };
}
