// Proxy training as a job: the request for a layout on a task with a seed; the teacher it may learn from, trained once and kept; the short
// runs that choose a learning rate; and the checkpoint by which a killed run goes on. The stored form of a request leaves out the plan (the
// layout and the seed determine it) and paths of this machine.
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { TrainRequest, TrainResult } from "../../profilers/protocol.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import { AgentError } from "../agent/errors.ts";
import type { SweepConfig, TaskConfig } from "../config.ts";
import { layoutFrom } from "../layouts.ts";
import { cachePath } from "../paths.ts";
import type { LeaseProof } from "../store/leases.ts";
import { planOf } from "./jobs.ts";
import type { PreparedTask } from "./training-data.ts";
import type { Worker } from "./worker.ts";

export type ScoreConfig = NonNullable<SweepConfig["score"]>;
type Training = TaskConfig["training"];

export interface Trained {
  readonly request: unknown;
  readonly result: TrainResult;
  readonly lease: LeaseProof;
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

const hashOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** A request without the paths of this machine: what is stored, and what its checkpoint is named by. */
function storedForm(body: Body): Record<string, unknown> {
  const { data, checkpoint: _checkpoint, out: _out, teacher, ...rest } = body;
  const files = { ...data, train: basename(data.train), validation: basename(data.validation) };
  if (teacher === undefined) return { ...rest, data: files };
  return { ...rest, data: files, teacher: basename("path" in teacher ? teacher.path : teacher.logits) };
}

/** One training run of a proxy layout; goes on from its checkpoint where one was left. */
async function run(
  worker: Worker,
  proxy: Layout,
  body: Body,
  config: ScoreConfig,
  checkpointEvery: number,
  onProgress: (step: number, loss: number | null) => void,
): Promise<{ readonly result: TrainResult; readonly lease: LeaseProof }> {
  const { plan } = lower(proxy, { quantization: "f32", seed: body.seed });
  await mkdir(cachePath("runs"), { recursive: true });
  const name = `${hashOf([storedForm(body), plan.toString("base64")])}.checkpoint`;
  const checkpoint = { path: cachePath("runs", name), every: checkpointEvery };
  const { session } = await worker.open();
  return worker.exclusively(async (turn) => {
    const put = async (path: string): Promise<string> =>
      worker.device.transport === "local"
        ? path
        : session.upload(path, `data/${basename(path)}`, await sha256Of(path), { signal: turn.signal });
    const { data } = body;
    const files = { train: await put(data.train), validation: await put(data.validation) };
    onProgress(0, null);
    const result = await session.request(
      "train",
      { ...body, data: { ...data, ...files }, checkpoint, model: planOf(plan) },
      {
        timeoutMs: config.timeoutSeconds * 1000,
        signal: turn.signal,
        onProgress: ({ step, loss }) => onProgress(step, loss),
      },
    );
    return { result, lease: turn.lease };
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
    ...(task.head === "pooled" ? { head: "pooled" as const } : {}),
    ...(training.baseWidth === undefined ? {} : { baseWidth: training.baseWidth }),
    ...(training.stop === undefined ? {} : { stop: training.stop }),
    threads: config.threads,
    data: { kind: task.kind, train: task.trainPath, validation: task.validationPath, length: task.length },
  };
}

/** Trains a layout's proxy on one task with one seed; its weights are written to `out`, a GGUF, where that is given. */
export async function trainOn(
  worker: Worker,
  layout: Layout,
  task: PreparedTask,
  seed: number,
  config: ScoreConfig,
  onProgress: (progress: TrainProgress) => void,
  out?: string,
): Promise<Trained> {
  const { training } = task.config;
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const proxy = proxyLayout(layout, proxyConfig, task);
  const report =
    (what: string, steps: number) =>
    (step: number, loss: number | null): void =>
      onProgress({ step, steps, loss, what });
  const teaching =
    training.distill === undefined
      ? {}
      : await teachingOf(worker, task, seed, config, training, (steps) => report("teacher", steps));
  const { rate, tries } = await chooseRate(worker, proxy, task, seed, config, teaching, report);
  const kept = out === undefined ? {} : { out };
  const body = { ...bodyOf(task, seed, config, training.steps, rate), ...teaching, ...kept };
  const { result, lease } = await run(
    worker,
    proxy,
    body,
    config,
    training.checkpointEvery,
    report("proxy", training.steps),
  );
  const request = {
    ...storedForm(body),
    proxy: proxyConfig,
    ...(tries.length > 0 ? { learningRateTries: tries } : {}),
  };
  return { request, result, lease };
}

type Reporter = (what: string, steps: number) => (step: number, loss: number | null) => void;

/** The learning rate of this candidate: the configured one, or the best of short runs. A try that diverges is no candidate. */
async function chooseRate(
  worker: Worker,
  proxy: Layout,
  task: PreparedTask,
  seed: number,
  config: ScoreConfig,
  teaching: Partial<Body>,
  report: Reporter,
): Promise<{ readonly rate: number; readonly tries: readonly (readonly [number, number | null])[] }> {
  const { learningRate, learningRateTrial, steps, checkpointEvery } = task.config.training;
  if (typeof learningRate === "number") return { rate: learningRate, tries: [] };
  const short = Math.max(1, Math.round(steps * learningRateTrial));
  const tries: [number, number | null][] = [];
  for (const rate of learningRate) {
    const body = { ...bodyOf(task, seed, config, short, rate), ...teaching };
    try {
      const { result } = await run(
        worker,
        proxy,
        body,
        config,
        checkpointEvery,
        report(`try of ${rate}`, short),
      );
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
): Promise<Partial<Body>> {
  const { teacher, teacherSteps, objective, k, temperature, mix } = training.distill!;
  const body = { objective: { kind: objective, k: Math.min(k, task.vocab - 1), temperature, mix } };
  if (task.head === "pooled")
    throw new InvalidInputError("no-teacher", `task "${task.name}" has no next tokens to distil`);
  if (/\.(gguf|efl)$/.test(teacher)) {
    const path = resolve(teacher);
    if (!existsSync(path))
      throw new InvalidInputError(
        "no-teacher",
        `the teacher ${teacher} does not exist; name a file that does`,
      );
    return { ...body, teacher: teacher.endsWith(".gguf") ? { path } : { logits: path } };
  }
  const proxyConfig = proxySchema.parse({ ...config.proxy, ...task.config.proxy });
  const layout = proxyLayout(layoutFrom(teacher), proxyConfig, task);
  const steps = teacherSteps ?? training.steps;
  const rate =
    typeof training.learningRate === "number" ? training.learningRate : Math.min(...training.learningRate);
  const request = bodyOf(task, seed, config, steps, rate);
  await mkdir(cachePath("teachers"), { recursive: true });
  const path = cachePath("teachers", `${hashOf([storedForm(request), layout])}.gguf`);
  if (!existsSync(path))
    await run(worker, layout, { ...request, out: path }, config, training.checkpointEvery, report(steps));
  return { ...body, teacher: { path } };
}
