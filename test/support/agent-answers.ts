// Answers of a scripted agent: numbers that depend on the model and the script alone.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AgentScript } from "./agent-script.ts";

/** Returns the number of parameters of a little-endian GGUF, read up to its tensor table. */
export function parametersOf(file: Buffer): number {
  let at = 8;
  const u32 = () => {
    at += 4;
    return file.readUInt32LE(at - 4);
  };
  const u64 = () => {
    at += 8;
    return Number(file.readBigUInt64LE(at - 8));
  };
  const text = () => {
    const length = u64();
    at += length;
  };
  const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
  const skip = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const [item, count] = [u32(), u64()];
      for (let i = 0; i < count; i++) skip(item);
    } else at += sizes[type]!;
  };
  const [tensors, entries] = [u64(), u64()];
  for (let i = 0; i < entries; i++) {
    text();
    skip(u32());
  }
  let total = 0;
  for (let i = 0; i < tensors; i++) {
    text();
    total += Array.from({ length: u32() }, u64).reduce((product, n) => product * n, 1);
    u32();
    u64();
  }
  return total;
}

export interface Request {
  readonly id: string;
  readonly type: string;
  readonly model?: { readonly plan: string };
  readonly contexts?: readonly number[];
  readonly decodeTokens?: number;
  readonly repetitions?: number;
  readonly steps?: number;
  readonly seed?: number;
  readonly stop?: { readonly every?: number; readonly hopelessStep?: number; readonly hopelessLoss?: number };
  readonly checkpoint?: { readonly path: string; readonly pauseAt?: number };
  readonly out?: string;
}

const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);

/** A number from -1 to 1, the same for the same text. */
const wobble = (text: string): number =>
  createHash("sha256").update(text).digest().readUInt32LE(0) / 2 ** 31 - 1;

export function measurement(
  { model, contexts = [], decodeTokens = 2, repetitions = 1 }: Request,
  { slowdown = 1, noise = 0 } = {},
) {
  const plan = Buffer.from(model!.plan, "base64");
  const parameters = parametersOf(plan);
  const sha256 = createHash("sha256").update(plan).digest("hex");
  const ms = (1 + parameters / 1e6) * slowdown;
  const bytes = parameters * 4 + 1e6;
  const samples = Array.from({ length: repetitions }, (_, n) => ms * (1 + noise * wobble(`${sha256} ${n}`)));
  return {
    isa: "scalar",
    threads: 1,
    affinity: [0],
    architecture: "edgefront",
    parameters,
    weightsFrom: "seed",
    modelSha256: sha256,
    plan: {
      weightBytes: bytes,
      cacheBytes: 0,
      activationBytes: 0,
      overheadBytes: 0,
      predictedPeakBytes: bytes,
    },
    loadMs: ms,
    firstTokenMs: 2 * ms,
    contexts: contexts.map((context) => ({
      context,
      warmups: 0,
      stable: true,
      ttftMs: samples.map((sample) => sample * context),
      prefillMs: samples.map((sample) => sample * context),
      decodeMs: samples.map((sample) => times(decodeTokens - 1, () => sample)),
    })),
    memory: { peakBytes: bytes, anonBytes: bytes, fileBytes: 0, swapBytes: 0 },
    outputHash: sha256.slice(0, 16),
    frequencyMhz: null,
    temperatureC: 30,
  };
}

/**
 * Returns a loss that falls with the steps and is lower for larger models. Stop rule and pauses are like the
 * real trainer's. A checkpoint is a file with the number of its step. A run's loss depends on its steps,
 * whether or not the checkpoint was found.
 */
export function training({ model, steps = 1, stop, checkpoint, seed, out }: Request, noise = 0) {
  const plan = Buffer.from(model!.plan, "base64");
  const luck = 1 + noise * wobble(`${parametersOf(plan)} ${seed}`);
  const scale = luck * (1 + 1e4 / parametersOf(plan));
  const lossAt = (step: number): number => scale * (1 + 10 / step);
  const { every = 0, hopelessStep = 0, hopelessLoss = Number.POSITIVE_INFINITY } = stop ?? {};
  const last = Math.min(checkpoint?.pauseAt || steps, steps);
  const kept = checkpoint && existsSync(checkpoint.path) ? Number(readFileSync(checkpoint.path, "utf8")) : 0;
  const looks: [number, number, number][] = [];
  let [done, stopped] = [last, last < steps ? "paused" : "steps"];
  for (let step = every; every > 0 && step < steps && step <= last; step += every) {
    looks.push([step, lossAt(step), 0.5]);
    if (hopelessStep === 0 || step < hopelessStep || lossAt(step) <= hopelessLoss) continue;
    [done, stopped] = [step, "hopeless"];
    break;
  }
  if (out !== undefined) writeFileSync(out, `weights of noise ${noise}`);
  if (checkpoint && stopped === "paused") writeFileSync(checkpoint.path, String(done));
  else if (checkpoint && existsSync(checkpoint.path)) rmSync(checkpoint.path);
  return {
    steps: done,
    resumedFrom: kept > last ? 0 : kept,
    stopped,
    looks,
    trainLoss: [],
    validation: { loss: lossAt(done), accuracy: 0.5, tokens: 1 },
    tokensPerSecond: 1,
    seconds: 1,
    parameters: parametersOf(plan),
    isa: "scalar",
    threads: 1,
    weightsHash: "00",
  };
}

export const probe = (script: AgentScript) => ({
  arch: process.arch === "arm64" ? "aarch64" : "x86_64",
  os: "Scripted",
  kernel: "0",
  hostname: null,
  bootId: script.bootId ?? "scripted",
  pageBytes: 4096,
  cpuModel: script.cpuModel ?? "Scripted CPU",
  cores: 1,
  allowedCpus: [0],
  isas: ["scalar"],
  isa: "scalar",
  features: [],
  memoryBytes: 8e9,
  availableBytes: 4e9,
  swapBytes: 0,
  loadAverage: 0,
  emulated: false,
  temperatureC: 30,
  frequencyMhz: null,
  readBandwidthGBs: 10,
  int8Gops: 10,
  fp32Gflops: 10,
  libc: "none",
  compiler: "none",
  ...script.probe,
});

export const VERIFIED = {
  isa: "scalar",
  vocab: 256,
  positions: [],
  logits: "",
  checks: [{ name: "chunking", maxRelativeError: 0, tolerance: 1, pass: true }],
};
