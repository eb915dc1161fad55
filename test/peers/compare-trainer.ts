// compare:trainer: compares the native trainer with profilers/pytorch/, from the same plans, seeds and data:
// loss curves over 100 steps, the validation score, and every element of the first step's gradients. PyTorch
// computes in float64, so that only our rounding counts. Exits with 1 where one differs by more than 1e-4,
// except where training itself amplifies rounding: there PyTorch in float32 ends as far from float64 (CONTROL).
// With --precision bfloat16 both round the operands of linear layers; see BOUNDS. Needs a Python with torch.
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { encodeDataset } from "../../profilers/dataset.ts";
import type { Precision, TrainRequest } from "../../profilers/requests.ts";
import { compression } from "../../profilers/tasks/compression.ts";
import { mqar } from "../../profilers/tasks/mqar.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { sha256Of } from "../../runner/base/durable-files.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { pytorchProgram } from "../../runner/training/trainers/pytorch-trainer.ts";
import { createRng } from "../../search/rng.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";
import { mixtures, trainerLayouts } from "./trainer-layouts.ts";

const flags = optionsOf(
  "compare:trainer [--python F] [--layouts 'A;B'] [--steps 100] [--precision float32|bfloat16] [--json]",
  {
    python: { type: "string", default: "test/peers/.venv/bin/python" },
    layouts: { type: "string", default: trainerLayouts.join(";") },
    steps: { type: "string", default: "100" },
    precision: { type: "string", default: "float32" },
    json: { type: "boolean", default: false },
  },
);
if (!existsSync(flags.python)) {
  console.error(`${flags.python} does not exist; name a Python that has torch with --python`);
  process.exit(2);
}

if (flags.precision !== "float32" && flags.precision !== "bfloat16") {
  console.error(`--precision ${flags.precision}: float32 or bfloat16`);
  process.exit(2);
}
const precision: Precision = flags.precision;

// In bfloat16, the last bit of a sum decides how a value near the middle between two numbers is rounded. So
// two orders of summation train differently (kernels/tests/train_bf16_test.cc). The worst difference of gradients
// seen was 8.9e-3.
const BOUNDS = {
  float32: { curve: 1e-4, validation: 1e-4, gradient: 1e-4 },
  bfloat16: { curve: 6e-2, validation: 1e-2, gradient: 2e-2 },
}[precision];
/**
 * Norms of values near 0, Adam's division by small gradients, and a router's choice between nearly equal experts
 * amplify rounding: in mixtures of recurrences more than a thousandfold within 100 steps at the usual rate. They
 * train at a lower one. A curve over its bound may be this many times as far from float64 as PyTorch's curve in
 * float32.
 */
const CONTROL = 3;
const LOW_RATE = { learningRate: 1e-4, minLearningRate: 1e-5, warmupSteps: 10 };
const folder = await mkdtemp(join(tmpdir(), "edgefront-compare-"));
const put = async (name: string, data: Parameters<typeof encodeDataset>[0]): Promise<string> => {
  const path = join(folder, `${name}.efd`);
  await writeFile(path, encodeDataset(data));
  return path;
};
const rng = createRng(5);
const stream = await put("stream", {
  kind: "stream",
  vocab: 64,
  tokens: Uint16Array.from({ length: 8000 }, (_, i) => (rng.next() < 0.3 ? rng.below(64) : (i * 5) % 64)),
});
const few = { examples: 500, validationExamples: 64 };
const recallData = mqar.data(
  mqar.optionsSchema.parse({ vocab: 64, length: 32, pairs: 4, ...few }),
  createRng(1),
);
const packedData = compression.data(
  compression.optionsSchema.parse({ vocab: 64, length: 32, ...few }),
  createRng(1),
);
const recall = {
  train: await put("recall", recallData.train),
  validation: await put("recall-v", recallData.validation),
};
const packed = {
  train: await put("packed", packedData.train),
  validation: await put("packed-v", packedData.validation),
};

type Body = Omit<TrainRequest, "model">;
const body = (more: Partial<Body>): Body => ({
  seed: 3,
  data: { kind: "stream", train: stream, validation: stream, length: 48 },
  steps: wholeOf("steps", flags.steps),
  batch: 8,
  evalBatches: 4,
  reportEvery: 1,
  threads: 1,
  optimizer: { learningRate: 3e-3, minLearningRate: 3e-4, warmupSteps: 10 },
  ...(precision === "float32" ? {} : { precision }),
  ...more,
});
const KINDS: Record<string, Partial<Body>> = {
  stream: {},
  recall: { data: { kind: "examples", ...recall, length: 32 } },
  muP: { baseWidth: 16 },
  pooled: { data: { kind: "examples", ...packed, length: 32 }, head: "pooled" },
};

/** Tensors of an F32 file, by its plan's table: each tensor's floats from its offset. */
function valuesOf(path: string, plan: Buffer): Float32Array {
  const file = readFileSync(path);
  const start = Math.ceil(plan.length / 32) * 32;
  return new Float32Array(file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length));
}

/**
 * Gradients of the first step. One step of Adam without memory and with a large epsilon moves a weight by
 * rate * g / (|g| + epsilon), from which g follows. The weights themselves come from a step of size 0.
 */
async function gradients(
  session: AgentSession,
  plan: Buffer,
  which: Partial<Body>,
  name: string,
): Promise<Float64Array> {
  const moved = async (rate: number): Promise<Float32Array> => {
    const out = join(folder, `${name}.gguf`);
    const optimizer = {
      learningRate: rate,
      minLearningRate: rate,
      warmupSteps: 0,
      beta1: 0,
      beta2: 0,
      epsilon: 1,
      weightDecay: 0,
      clip: 0,
    };
    await session.request("train", {
      ...body(which),
      baseWidth: 0,
      steps: 1,
      evalBatches: 0,
      optimizer,
      out,
      model: { plan: plan.toString("base64") },
    });
    return valuesOf(out, plan);
  };
  const [before, after] = [await moved(1e-30), await moved(8)];
  return Float64Array.from(before, (w, i) => {
    const step = (w - after[i]!) / 8;
    return step / (1 - Math.abs(step));
  });
}

/** Returns the PyTorch trainer in float64. Agents get no variables of this process, so a script sets it. */
async function exactProgram({ path }: AgentBinary): Promise<AgentBinary> {
  const script = join(folder, "pytorch-float64");
  const text = `#!/bin/sh\nEDGEFRONT_FLOAT64=1 exec '${path}' "$@"\n`;
  await writeFile(script, text, { mode: 0o755 });
  return { path: script, sha256: sha256Of(text) };
}

type Trained = Awaited<ReturnType<typeof native.request<"train">>>;

/** Returns the largest difference of two loss curves, and that of the validation losses. */
const apart = (one: Trained, other: Trained) => ({
  curve: Math.max(...one.trainLoss.map(([, loss], i) => Math.abs(loss - other.trainLoss[i]![1]))),
  validation: Math.abs(one.validation.loss - other.validation.loss),
});

const program = await pytorchProgram(resolve(flags.python));
const native = await openSession(localDevice());
const torch = await openSession(localDevice(), { binary: await exactProgram(program) });
const control = await openSession(localDevice(), { binary: program });
let worst = 0;
const rows = [];
try {
  for (const [index, layout] of flags.layouts.split(";").entries()) {
    const kind = Object.keys(KINDS)[index % 4]!;
    const which = { ...KINDS[kind], ...(mixtures.includes(layout) && { optimizer: LOW_RATE }) };
    const { plan } = lower(parseNotation(`v64 ${layout}`), { quantization: "f32", seed: 3 });
    const model = { plan: plan.toString("base64") };
    const ours = await native.request("train", { ...body(which), model });
    const theirs = await torch.request("train", { ...body(which), model });
    const { curve, validation } = apart(ours, theirs);
    const [g, want] = [
      await gradients(native, plan, which, "ours"),
      await gradients(torch, plan, which, "theirs"),
    ];
    // Relative to the largest element, because an element that cancels to nothing is only rounding.
    const largest = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const gradient = g.reduce((most, x, i) => Math.max(most, Math.abs(x - want[i]!)), 0) / largest;
    const over = Math.max(curve / BOUNDS.curve, validation / BOUNDS.validation);
    const rounding =
      over > 1 ? apart(await control.request("train", { ...body(which), model }), theirs) : null;
    const share =
      rounding === null
        ? over
        : Math.max(curve, validation) / (CONTROL * Math.max(rounding.curve, rounding.validation));
    worst = Math.max(worst, share, gradient / BOUNDS.gradient);
    rows.push({ layout, kind, curve, validation, gradient, rounding, accuracy: ours.validation.accuracy });
    const shown = [curve, validation, gradient].map((x) => x.toExponential(1)).join("  ");
    const own = rounding === null ? "" : ` (PyTorch in float32: ${rounding.curve.toExponential(1)})`;
    console.error(
      `${layout.padEnd(34)} ${kind.padEnd(7)} loss curve, validation, gradients off by ${shown}${own}`,
    );
  }
} finally {
  await native.close();
  await torch.close();
  await control.close();
  await rm(folder, { recursive: true });
}
if (flags.json) console.log(JSON.stringify({ precision, bounds: BOUNDS, rows }));
console.error(`worst ${worst.toFixed(3)} of what is allowed: ${JSON.stringify(BOUNDS)}`);
process.exit(worst <= 1 ? 0 : 1);
