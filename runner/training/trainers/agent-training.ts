// Trains with a program that speaks the agent protocol: sends missing data, requests the run, and continues
// it from its checkpoint.
import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { lower } from "../../../candidates/gguf/lower.ts";
import type { TrainResult } from "../../../profilers/protocol.ts";
import { sha256OfFile } from "../../base/durable-files.ts";
import { withEitherSignal } from "../../base/either-signal.ts";
import { cacheFolder, cachePath } from "../../base/paths.ts";
import { AgentError } from "../../devices/device-errors.ts";
import type { Opened, Turn, Worker } from "../../farm/worker.ts";
import { requireIntact } from "../data-files.ts";
import { type Body, hashOf, storedForm } from "../train-request.ts";
import type { OnStep, TrainingEnd, TrainingRun } from "./trainer.ts";

/** Returns the paths of the data on the lane. On another machine the data is uploaded under its hash. */
async function placed(
  { data }: Body,
  { device }: Worker,
  { session }: Opened,
  { signal }: Turn,
): Promise<Body["data"]> {
  await requireIntact([data.train, data.validation]);
  const put = async (path: string): Promise<string> =>
    device.transport === "local"
      ? path
      : session.upload(path, `files/${basename(path)}`, await sha256OfFile(path), { signal });
  return { ...data, train: await put(data.train), validation: await put(data.validation) };
}

/** Runs the training in a turn on the lane's host. */
export async function trainByAgent(
  run: TrainingRun,
  signal: AbortSignal,
  onStep: OnStep,
): Promise<TrainingEnd> {
  const { worker, proxy, asked, checkpointEvery, pauseAt, timeoutMs } = run;
  const { body } = asked;
  const plan = lower(proxy, { quantization: "f32", seed: body.seed }).plan.toString("base64");
  cacheFolder("runs");
  const opened = await worker.open();
  // Another agent may round differently, so its runs start over.
  const name = `${hashOf([storedForm(asked), plan, opened.agentSha256])}.checkpoint`;
  const pause = pauseAt > 0 ? { pauseAt } : {};
  const checkpoint = { path: cachePath("runs", name), every: checkpointEvery, ...pause };
  return worker.exclusively(async (turn) => {
    const data = await placed(body, worker, opened, turn);
    onStep(0, null);
    const train = (): Promise<TrainResult> =>
      withEitherSignal([turn.signal, signal], (either) =>
        opened.session.request(
          "train",
          { ...body, data, checkpoint, model: { plan } },
          { timeoutMs, signal: either, onProgress: ({ step, loss }) => onStep(step, loss) },
        ),
      );
    const result = await train().catch(async (error: unknown) => {
      const code = error instanceof AgentError ? error.code : null;
      if (code === "diverged" || code === "bad-checkpoint") await rm(checkpoint.path, { force: true });
      if (code !== "bad-checkpoint") throw error;
      // The checkpoint was damaged or from another processor. Without it the run starts over, to the same
      // result.
      return train();
    });
    return { result, lease: turn.lease, checkpoint: name };
  });
}
