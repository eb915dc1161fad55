// Seeds of the fuzz targets (kernels/fuzz): small valid inputs of every kind that a target reads.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { quantizations } from "../../candidates/quantization.ts";
import { countingExamples } from "../support/agents.ts";

const LAYOUTS = [
  "v32 d32 f32 h2/1x16 : c3 g", // lfm2
  "v32 d32 f32 h2/1x16 : c2 s4 g c8", // edgefront
  "v32 d32 f32 h2/2x16 : g g", // qwen3
  "v32 d32 f32 h2/2x16n : g g", // llama
  "v32 d32 f32 h2/2x16n : 2*[g g]", // nanbeige
  "v32 d32 f32 h2/1x16n : m2(x16n8) g", // granitehybrid
  "v32 d32 f32 h2/1x16or8 n2 : c3 g s4(2/1x16o)", // lfm3
  "v32 d32 f32 h2/1x16n : g+m2(x16n8)", // falcon-h1
  "v32 d32 f32 h2/1x16 : 2*g+m2(x16n8) s4(2/1x16o)+c2^2", // edgefront
  "v32 d32 f32 : m2(e1x8n5g2k2) m2.conv c2", // edgefront
  "v32 d32 f32 : gdn(1/2x8k2) gdn.conv(2x8)", // edgefront
  "v32 d32 f32 : s4d(4) rtf(3) ls4(2) m1(n3r2) m1.conv cfc", // edgefront
  "v32 d32 f32 : lin(2x8) gla(1x8/16) kda(2x8k2) kda.conv(2x8)", // edgefront
  "v32 d32 f32 h2/1x16 : 2*[c3 g g<] s4 s4<", // edgefront
  "v32 d256 f32 h1/1x32 : c3", // rows that Q6_K can store
];

/** Plans that end after the tensor table, and a file with data. */
function ggufs(): Buffer[] {
  const plans = LAYOUTS.flatMap((notation) =>
    quantizations.map((quantization) => lower(parseNotation(notation), { quantization, seed: 1 }).plan),
  );
  const { plan, tensors } = lower(parseNotation("v8 d32 f32 h1/1x32 : c2"), { quantization: "q4_0" });
  const bytes = tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.bytes / 32) * 32, 0);
  const padding = Buffer.alloc(-plan.length & 31);
  return [...plans, Buffer.concat([plan, padding, Buffer.alloc(bytes, 0x3a)])];
}

/** Input before the file: kind, length, vocabulary. */
const asked = (kind: number, length: number, vocab: number): Buffer =>
  Buffer.of(kind, length, vocab & 255, vocab >> 8);

function datasets(): Buffer[] {
  const examples = countingExamples(6, 4, 32);
  const stream = Buffer.alloc(24 + 2 * 40);
  stream.write("EFD1");
  stream.writeUInt32LE(1, 4);
  stream.writeUInt32LE(32, 8);
  stream.writeBigUInt64LE(40n, 16);
  for (let i = 0; i < 40; i++) stream.writeUInt16LE(i % 32, 24 + 2 * i);
  return [Buffer.concat([asked(0, 4, 32), examples]), Buffer.concat([asked(1, 8, 32), stream])];
}

function softFiles(): Buffer[] {
  const [k, positions] = [3, 6];
  const file = Buffer.alloc(16 + positions * k * 6);
  file.write("EFL1");
  file.writeUInt32LE(k, 4);
  file.writeBigUInt64LE(BigInt(positions), 8);
  let at = 16;
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < k; i++) at = file.writeUInt16LE((position + i) % 32, at);
    for (let i = 0; i < k; i++) at = file.writeFloatLE(-1 - i, at);
  }
  return [Buffer.concat([asked(k, positions, 32), file]), Buffer.concat([asked(1, positions, 32), file])];
}

const REQUESTS = [
  {
    v: 1,
    id: "j1",
    type: "measure",
    model: { plan: "R0dVRg==" },
    contexts: [1, 2],
    warmup: { tolerance: 0.03 },
  },
  [null, true, false, -0.5, 1e300, 5e-324, '\u0000\u{1F600}\\"', [[[]]], {}],
].map((value) => Buffer.from(JSON.stringify(value)));

const texts = (...values: readonly string[]): Buffer[] => values.map((value) => Buffer.from(value));

/** Seeds by target. */
export const SEEDS: Readonly<Record<string, () => Buffer[]>> = {
  gguf: ggufs,
  dataset: datasets,
  soft_file: softFiles,
  // Changes of a whole checkpoint: a kind, a length, then offsets and bytes.
  checkpoint: () => [
    Buffer.of(0, 0),
    Buffer.of(0, 0, 8, 0, 1),
    Buffer.of(0, 127),
    Buffer.of(0, 129),
    Buffer.from("\u0001EFCKPT01"),
  ],
  json: () => [...REQUESTS, ...texts('{"a":1,"a":2}', '"\\ud83d\\ude00"', "[1e999]", " [ ] ")],
  base64: () => texts("", "QQ==", "QUI=", "QUJD", "R0dVRgMAAAA=", "====", "QR==", "QUI"),
};

/** Writes a target's seeds into a folder. */
export function writeSeeds(target: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const [i, seed] of SEEDS[target]!().entries()) writeFileSync(join(folder, `seed-${i}`), seed);
}
