// Which engines run a layout, and spaces that are restricted to an engine.
import { expect, test } from "vitest";
import { type Layout, layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { filledUp } from "../../candidates/ops/upstream/padding.ts";
import { engineProblem, runsIn, runsInText } from "../../candidates/runs-in.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
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
  const single = runsIn(parseNotation("v512 d64 f128 h4/2x16n : g+m2 g m2(k2)"));
  expect(single.map(({ how }) => how)).toEqual(["exact", "padded", "padded"]);
  expect(single[1]).toMatchObject({
    as: "v512 d64 f128 h4/2x16n : g+m2 g+m2 g+m2",
    reason: "GGUF architecture falcon-h1; some of its layers have only one of attention and Mamba-2",
  });
  const gated = parseNotation("v512 d64 f128 h2/1x32 : gdn(2/2x32) g");
  expect(runsInText(runsIn(gated)[1]!)).toBe(
    "padded with zeros (GGUF architecture qwen35; its attention has no output gate for every channel)",
  );
  // Zeros cannot fill up a window or heads.
  expect(filledUp(parseNotation("v512 d64 f128 h4/2x16 : s8 s16"))).toEqual(
    parseNotation("v512 d64 f128 h4/2x16 : s8 s16"),
  );
});

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
    mixers: ["gdn.conv(2x16)", "g"],
    runsIn: ["llama.cpp"],
    attention: { min: 1, max: 4 },
  });
  expect(() => space.requireLayouts()).toThrow(/holds no layout: llama\.cpp does not run it/);
  expect(() =>
    spaceOf({ mixers: ["gdn.conv(2x16)", "g"], runsIn: ["edgefront"] }).requireLayouts(),
  ).not.toThrow();
});
