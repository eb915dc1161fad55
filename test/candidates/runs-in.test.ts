// Which engines run a layout: the answers, the padding behind "padded", and spaces that are restricted to an
// engine.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALIGNMENT } from "../../candidates/gguf/encode.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { type Layout, layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { elements } from "../../candidates/ops/operator.ts";
import { filledUp } from "../../candidates/ops/upstream/filled-up.ts";
import { engineProblem, runsIn, runsInText } from "../../candidates/runs-in.ts";
import { Space, spaceSchema } from "../../candidates/space.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { layoutDomain } from "../../search/domain.ts";
import { createRng } from "../../search/rng.ts";

const told = (layout: Layout) => runsIn(layout).map((row) => `${row.runtime}: ${runsInText(row)}`);

test("a layout says which engines run it, and why others do not", () => {
  expect(told(namedLayouts["lfm2-350m"]!)).toEqual([
    "edgefront: exactly (GGUF architecture lfm2)",
    "llama.cpp: exactly (GGUF architecture lfm2)",
    "transformers: exactly (model_type lfm2)",
  ]);
  expect(told(namedLayouts["lfm2-350m-swa"]!)).toEqual([
    "edgefront: exactly (GGUF architecture edgefront)",
    "llama.cpp: no: all its layers are attention, some over a window",
    "transformers: exactly (model_type qwen3)",
  ]);
  const mixed = runsIn(parseNotation("v512 d64 f128 h4/2x16 : c3 s8 g c5"));
  expect(mixed.map(({ how }) => how)).toEqual(["exact", "no", "no"]);
});

test("different taps and FFN widths run padded, and the larger layout is named", () => {
  const rows = runsIn(parseNotation("v512 d64 f128 h4/2x16 : c3 g~96 c5"));
  expect(rows.map(({ how }) => how)).toEqual(["exact", "padded", "padded"]);
  expect(rows[1]).toMatchObject({
    as: "v512 d64 f128 h4/2x16 : c5 g c5",
    reason: expect.stringContaining("GGUF architecture lfm2"),
  });
  // What a padded layout cannot become: one with another window or other heads.
  expect(filledUp(parseNotation("v512 d64 f128 h4/2x16 : s8 s16"))).toEqual(
    parseNotation("v512 d64 f128 h4/2x16 : s8 s16"),
  );
});

/** The bytes of each tensor of a file that `lower` laid out, by name. */
function tensorsIn(file: Buffer, layout: Layout) {
  const { plan, tensors } = lower(layout, { quantization: "f32", seed: 1 });
  let at = plan.length;
  return tensors.map(({ name, shape, bytes }) => {
    const from = at;
    at += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return { name, shape, values: new Float32Array(file.buffer, file.byteOffset + from, elements(shape)) };
  });
}

/** Copies the weights of a model into a larger one, whose other weights become zero. Taps end at the newest. */
function fillUp(small: Buffer, layout: Layout, large: Buffer, larger: Layout): void {
  const from = new Map(tensorsIn(small, layout).map((tensor) => [tensor.name, tensor]));
  for (const { name, shape, values } of tensorsIn(large, larger)) {
    const { shape: old, values: weights } = from.get(name)!;
    const [columns, oldColumns] = [shape[0]!, old[0]!];
    const shift = /conv/.test(name) && !/proj/.test(name) ? columns - oldColumns : 0;
    values.fill(0);
    for (let row = 0; row < elements(old) / oldColumns; row++)
      values.set(weights.subarray(row * oldColumns, (row + 1) * oldColumns), row * columns + shift);
  }
}

test("a padded layout computes the same where the added weights are zero", async () => {
  const layout = parseNotation(
    "v64 d32 f64 h4/2x8 : c2 g~40 c5 gdn(2/2x16k2) m2(x8n8k3) gdn(2/2x16k4)~8 m2(x8n8)",
  );
  const larger = filledUp(layout);
  expect(formatNotation(larger)).not.toBe(formatNotation(layout));
  const folder = mkdtempSync(join(tmpdir(), "edgefront-padded-"));
  const session: AgentSession = await openSession(localDevice());
  try {
    const files = await Promise.all(
      [layout, larger].map(async (one, index) => {
        const out = join(folder, `${index}.gguf`);
        const plan = lower(one, { quantization: "f32", seed: 1 }).plan.toString("base64");
        await session.request("materialize", { model: { plan }, out });
        return out;
      }),
    );
    const logits = async (path: string) => {
      const tokens = Array.from({ length: 20 }, (_, i) => (i * 37) % 64);
      const answer = await session.request("verify", { model: { path }, tokens, logits: "last", kv: "f32" });
      const bytes = Buffer.from(answer.logits, "base64");
      return Array.from({ length: 64 }, (_, i) => bytes.readFloatLE(4 * i));
    };
    const [small, large] = [readFileSync(files[0]!), readFileSync(files[1]!)];
    fillUp(small, layout, large, larger);
    const seeded = await logits(files[1]!);
    writeFileSync(files[1]!, large);
    const [wanted, padded] = [await logits(files[0]!), await logits(files[1]!)];
    const apart = (a: readonly number[], b: readonly number[]) =>
      Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    expect(apart(wanted, padded)).toBeLessThan(1e-5);
    // The larger model's own weights give other logits.
    expect(apart(wanted, seeded)).toBeGreaterThan(0.1);
  } finally {
    await session.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);

const declared = {
  vocab: 512,
  width: 64,
  depth: 8,
  mixers: ["c3", "c5", "m2", "s16", "s64", "g"],
  heads: ["4/2x16"],
  ffn: 128,
};
const spaceOf = (extra: object) => new Space(spaceSchema.parse({ ...declared, ...extra }));

test("a space restricted to an engine proposes only what that engine runs, by every way of proposing", () => {
  const space = spaceOf({ runsIn: ["llama.cpp"] });
  space.requireLayouts();
  const domain = layoutDomain(space);
  const rng = createRng(3);
  const samples = Array.from({ length: 400 }, () => domain.sample(rng)).filter((one) => one !== null);
  expect(samples.length).toBeGreaterThan(100);
  const children = samples.flatMap((one, n) => [
    domain.mutate(one, rng)?.candidate ?? one,
    domain.crossover(one, samples[(n + 1) % samples.length]!, rng)?.candidate ?? one,
  ]);
  for (const layout of [...samples, ...children]) expect(engineProblem("llama.cpp", layout)).toBeNull();
  const kinds = (layout: Layout) => [...new Set(layout.layers.map(({ mixer }) => mixer.op))].sort().join();
  expect(new Set(samples.map(kinds))).toEqual(new Set(["conv,gqa", "conv,swa", "gqa"]));
  // From a layout, other sizes are reached: one mutation puts another mixer into all its layers.
  const reached = new Set(children.map(layoutId));
  expect(reached.size).toBeGreaterThan(new Set(samples.map(layoutId)).size / 2);
});

test("a space in which the engine runs nothing is refused with the engine's reason", () => {
  const space = spaceOf({
    mixers: ["gdn(2/2x16)", "g"],
    runsIn: ["llama.cpp"],
    attention: { min: 1, max: 4 },
  });
  expect(() => space.requireLayouts()).toThrow(/holds no layout: llama\.cpp does not run it/);
  expect(() =>
    spaceOf({ mixers: ["gdn(2/2x16)", "g"], runsIn: ["edgefront"] }).requireLayouts(),
  ).not.toThrow();
});
