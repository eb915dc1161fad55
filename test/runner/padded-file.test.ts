// Padded files: the agent computes the same from a padded file as from the exact one. test/peers/compare-llama.ts
// compares padded files that only llama.cpp reads.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lower, lowerPadded, paddingOf } from "../../candidates/gguf/lower.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import type { Quantization } from "../../candidates/quantization.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { fileBytes, paddedFile } from "../../runner/runtimes/padded-file.ts";

const folder = mkdtempSync(join(tmpdir(), "edgefront-padded-"));
let session: AgentSession;
beforeAll(async () => {
  session = await openSession(localDevice());
}, 120_000);
afterAll(async () => {
  await session.close();
  rmSync(folder, { recursive: true, force: true });
});

async function filesOf(text: string, quantization: Quantization) {
  const layout = parseNotation(text);
  const padding = paddingOf(layout)!;
  const exact = lower(layout, { quantization, seed: 1 });
  const padded = lowerPadded(padding, { quantization });
  const paths = { exact: join(folder, "exact.gguf"), padded: join(folder, "padded.gguf") };
  const model = { plan: exact.plan.toString("base64") };
  await session.request("materialize", { model, out: paths.exact });
  const pieces: Uint8Array[] = [];
  for await (const piece of paddedFile(paths.exact, exact, padded, padding.tensors)) pieces.push(piece);
  writeFileSync(paths.padded, Buffer.concat(pieces));
  expect(statSync(paths.padded).size).toBe(fileBytes(padded));
  return { layout, padding, exact, padded, paths };
}

async function logitsOf(path: string, vocab: number): Promise<readonly number[]> {
  const tokens = Array.from({ length: 20 }, (_, i) => (i * 37) % vocab);
  const answer = await session.request("verify", {
    model: { path },
    tokens,
    logits: "last",
    kv: "f32",
    isa: "scalar",
  });
  const bytes = Buffer.from(answer.logits, "base64");
  return Array.from({ length: vocab }, (_, i) => bytes.readFloatLE(4 * i));
}

const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));

test.each([
  ["v64 d32 f64 h4/2x8 : c2 g~40 c5 g c3", "f32"],
  ["v64 d64 f96 h4/2x16 : c2 g~64 c5 c3~32", "q4_0"],
  ["v64 d64 f96 h4/2x16 : c2 g~64 c5", "f16"],
  ["v64 d32 f48 h4/2x8n : m2(x8n8k3) g m2(x8n8)~64", "f32"],
  ["v64 d32 f48 h4/2x8n : g+m2(x8n8) g m2(x8n8k3)~32", "f32"],
  ["v64 d64 f96 h4/2x16n : m2(x16n16) g+m2(x16n16) g", "q4_0"],
  ["v64 d32 f96 h4/2x8 : g g~64", "q8_0"],
  ["v64 d32 f96 h4/2x8n : g g~64", "q4_0"],
] as const)("%s in %s computes the same padded", async (text, quantization) => {
  const { layout, padding, paths } = await filesOf(text, quantization);
  expect(formatNotation(padding.as)).not.toBe(formatNotation(layout));
  const [wanted, padded] = [await logitsOf(paths.exact, 64), await logitsOf(paths.padded, 64)];
  // Sums have more terms, all zero, in another order.
  expect(apart(wanted, padded)).toBeLessThan(1e-5 * Math.max(...wanted.map(Math.abs)));
  expect(Math.max(...wanted.map(Math.abs))).toBeGreaterThan(0.1);
});

test("attention with gates of zero has twice the rows of queries and doubled outputs", async () => {
  const { exact, padded, paths } = await filesOf("v64 d32 f48 h2/1x32 : gdn(2/2x16) g", "q4_0");
  const [small, large] = [readFileSync(paths.exact), readFileSync(paths.padded)];
  const bytesIn = (file: Buffer, { plan, tensors }: typeof exact, name: string): Buffer => {
    let at = plan.length;
    for (const tensor of tensors) {
      if (tensor.name === name) return file.subarray(at, at + tensor.bytes);
      at += Math.ceil(tensor.bytes / 32) * 32;
    }
    throw new Error(`no tensor ${name}`);
  };
  const q = bytesIn(small, exact, "blk.1.attn_q.weight");
  const gated = bytesIn(large, padded, "blk.1.attn_q.weight");
  const head = q.length / 2; // two heads: 32 rows of one block each
  expect(gated.subarray(0, head).equals(q.subarray(0, head))).toBe(true);
  expect(gated.subarray(2 * head, 3 * head).equals(q.subarray(head))).toBe(true);
  for (const from of [head, 3 * head])
    expect(gated.subarray(from, from + head).every((byte) => byte === 0)).toBe(true);
  const [out, doubled] = [exact, padded].map((plan, n) =>
    bytesIn([small, large][n]!, plan, "blk.1.attn_output.weight"),
  );
  for (let at = 0; at < out!.length; at += 18) {
    // The scale of a block has one exponent more; its 4-bit values are the same.
    expect(doubled!.readUInt16LE(at)).toBe(out!.readUInt16LE(at) + 0x400);
    expect(doubled!.subarray(at + 2, at + 18).equals(out!.subarray(at + 2, at + 18))).toBe(true);
  }
  expect(padded.tensors.map(({ name }) => name)).toContain("blk.0.post_attention_norm.weight");
});

test("rows that do not divide into blocks are refused with the format that works", async () => {
  await expect(filesOf("v64 d32 f32 h4/2x8 : c3 g~40", "q4_0")).rejects.toThrow(/--quant f16/);
  await expect(filesOf("v64 d32 f32 h4/2x8 : c3 g~40", "f16")).resolves.toBeDefined();
});
