// Training through the agent. Killed at any moment, it continues to the same last bit. Its weights run in the
// inference kernels with the trainer's own loss. A teacher's file teaches. Impossible training is refused in
// one line.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { platform } from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { encodeDataset } from "../../profilers/dataset.ts";
import type { TrainRequest } from "../../profilers/requests.ts";
import { compression } from "../../profilers/tasks/compression.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { createRng } from "../../search/rng.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const folder = temporaryFolder();
const stream = `${folder.path}/stream.efd`;
const LENGTH = 48;
const VOCAB = 64;
// A sequence with a rule and some noise: learnable, but not at once.
let state = 1;
const tokens = Uint16Array.from({ length: 6000 }, (_, i) => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 16) % 4 === 0 ? (state >>> 20) % VOCAB : (i * 5) % VOCAB;
});
writeFileSync(stream, encodeDataset({ kind: "stream", vocab: VOCAB, tokens }));

const planOf = (notation: string): string =>
  lower(parseNotation(notation), { quantization: "f32", seed: 3 }).plan.toString("base64");
const LAYOUTS = {
  lfm2: `v${VOCAB} d32 f64 h2/1x16 : c3 g c3`,
  edgefront: `v${VOCAB} d48 f80 h3/1x16 : c5 s7 c2 g`,
  "odd widths": `v${VOCAB} d40 f56 h2/2x20 : g c3`,
} as const;

const request = (notation: string, more: Partial<TrainRequest> = {}): TrainRequest => ({
  model: { plan: planOf(notation) },
  seed: 3,
  data: { kind: "stream", train: stream, validation: stream, length: LENGTH },
  steps: 60,
  batch: 8,
  evalBatches: 2,
  reportEvery: 5,
  threads: 1,
  optimizer: { learningRate: 1e-2, warmupSteps: 5 },
  ...more,
});

let session: AgentSession;
beforeAll(async () => {
  session = await openSession(localDevice());
});
afterAll(async () => {
  await session.close();
  folder.remove();
});

/** The mean loss of the trainer's validation windows, by the inference kernels in float32. */
async function lossByKernels(path: string, windows: number): Promise<number> {
  let total = 0;
  for (let window = 0; window < windows; window++) {
    const start = Math.floor((window * (tokens.length - LENGTH)) / windows);
    const { logits } = await session.request("verify", {
      model: { path },
      tokens: [...tokens.subarray(start, start + LENGTH)],
      logits: "all",
      kv: "f32",
    });
    const bytes = Buffer.from(logits, "base64");
    for (let t = 0; t < LENGTH; t++) {
      const row = Array.from({ length: VOCAB }, (_, i) => bytes.readFloatLE(4 * (t * VOCAB + i)));
      const top = Math.max(...row);
      const sum = row.reduce((s, x) => s + Math.exp(x - top), 0);
      total += Math.log(sum) + top - row[tokens[start + t + 1]!]!;
    }
  }
  return total / (windows * LENGTH);
}

describe("trained weights", () => {
  it.each(Object.entries(LAYOUTS))(
    "of %s have the trainer's loss in the inference kernels",
    async (name, notation) => {
      const out = `${folder.path}/${name.replace(" ", "-")}.gguf`;
      const trained = await session.request("train", request(notation, { out }));
      expect(trained.validation.tokens).toBe(16 * LENGTH);
      expect(trained.validation.loss).toBeLessThan(3); // better than chance, which is ln 64 = 4.16
      const loss = await lossByKernels(out, 16);
      expect(Math.abs(loss - trained.validation.loss)).toBeLessThan(1e-5);
    },
  );
});

describe("a killed training run", { skip: platform !== "linux" }, () => {
  it("goes on from its checkpoint to the same weights and loss", async () => {
    const whole = await session.request("train", request(LAYOUTS.lfm2, { steps: 120 }));
    const checkpoint = { path: `${folder.path}/run.checkpoint`, every: 10 };
    const { pid } = await session.hello;
    for (const at of [5, 35, 90]) {
      const body = request(LAYOUTS.lfm2, { steps: 120, checkpoint });
      let killed = false;
      const run = session.request("train", body, {
        onProgress: ({ step }) => {
          if (step < at || killed) return;
          killed = true;
          const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
          process.kill(Number(child), "SIGKILL");
        },
      });
      await expect(run).rejects.toMatchObject({ code: expect.stringMatching(/crashed|out-of-memory/) });
      const rest = await session.request("train", body);
      expect(rest.weightsHash).toBe(whole.weightsHash);
      expect(rest.validation).toEqual(whole.validation);
      expect(rest.trainLoss).toEqual(whole.trainLoss);
      if (at > 10) expect(rest.resumedFrom).toBeGreaterThan(0);
      expect(existsSync(checkpoint.path)).toBe(false);
    }
  });
});

describe("distillation", () => {
  it("learns from a trained teacher, and from the same teacher's dumped probabilities", async () => {
    const teacher = `${folder.path}/teacher.gguf`;
    await session.request("train", request(LAYOUTS.edgefront, { steps: 150, out: teacher }));
    const k = 8;
    const objective = { kind: "decoupled-top-k", k, temperature: 2, mix: 0.7 } as const;
    const student = (more: Partial<TrainRequest>) =>
      session.request("train", request(LAYOUTS.lfm2, { objective, ...more }));
    const taught = await student({ teacher: { path: teacher } });
    expect(taught.gradientNorm).toHaveLength(12);
    const plain = await session.request("train", request(LAYOUTS.lfm2));
    expect(taught.weightsHash).not.toBe(plain.weightsHash);
    expect(taught.validation.loss).toBeLessThan(3);
    // A file of the uniform teacher over k tokens pulls the student away from the data.
    const dumped = Buffer.alloc(16 + tokens.length * k * 6);
    dumped.write("EFL1");
    dumped.writeUInt32LE(k, 4);
    dumped.writeBigUInt64LE(BigInt(tokens.length), 8);
    for (let position = 0; position < tokens.length; position++) {
      const at = 16 + position * k * 6;
      for (let i = 0; i < k; i++) {
        dumped.writeUInt16LE(i, at + 2 * i);
        dumped.writeFloatLE(-Math.log(k) - 1e-3, at + 2 * k + 4 * i);
      }
    }
    writeFileSync(`${folder.path}/uniform.efl`, dumped);
    const misled = await student({ teacher: { logits: `${folder.path}/uniform.efl` } });
    expect(misled.validation.loss).toBeGreaterThan(taught.validation.loss + 0.1);
  });

  it.each<[string, Partial<TrainRequest>, RegExp]>([
    ["no teacher", { objective: { kind: "top-k" } }, /needs a teacher/],
    [
      "a teacher that is missing",
      { objective: { kind: "top-k", k: 8 }, teacher: { path: "/nowhere.gguf" } },
      /teacher: /,
    ],
    ["an unknown objective", { objective: { kind: "mse" as "top-k" } }, /objective.kind must be/],
  ])("refuses %s", async (_, more, message) => {
    await expect(session.request("train", request(LAYOUTS.lfm2, more))).rejects.toThrow(message);
  });
});

describe("the pooled head", () => {
  it("reads a short row back out of one state better than chance", async () => {
    const options = compression.optionsSchema.parse({
      length: 8,
      vocab: 8,
      examples: 4000,
      validationExamples: 200,
    });
    const { train, validation } = compression.data(options, createRng(1));
    for (const [name, data] of Object.entries({ train, validation }))
      writeFileSync(`${folder.path}/${name}.efd`, encodeDataset(data));
    const { validation: reached } = await session.request("train", {
      ...request("v8 d64 f128 h4/4x16 : g g", { steps: 300, batch: 32, head: "pooled" }),
      data: {
        kind: "examples",
        train: `${folder.path}/train.efd`,
        validation: `${folder.path}/validation.efd`,
        length: 8,
      },
      optimizer: { learningRate: 5e-3, warmupSteps: 30 },
    });
    // Chance: one of eight tokens is the certain last one, the others are one in seven.
    expect(reached.accuracy).toBeGreaterThan(0.4);
  });
});

it("a proxy that memory cannot hold is out of memory, before anything is taken", async () => {
  const huge = request(`v${VOCAB} d8192 f65536 h64/8x128 : 60[c3 g]`);
  await expect(session.request("train", huge)).rejects.toMatchObject({ code: "out-of-memory" });
});
