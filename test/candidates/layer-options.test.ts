// Options of attention (output gate, RoPE of a part of each head or none) and norms after mixers and FFNs:
// counts, metadata, proxies, upstream formats and their place in a space.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost, tensorsOf } from "../../candidates/cost.ts";
import { expressionOf, lower } from "../../candidates/gguf/lower.ts";
import { layoutId, normsOf, parseLayout } from "../../candidates/layout.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";
import { layerStrip } from "../../reports/page/strip.ts";
import { crossover } from "../../search/operators/crossover.ts";
import { mutate } from "../../search/operators/mutate.ts";
import { createRng } from "../../search/rng.ts";

const one = (layer: string, header = "v512 d64 f128 h4/2x16") => parseNotation(`${header} : ${layer}`);
const plan = (layer: string) => lower(one(layer), { quantization: "f32" }).plan.toString("latin1");
const cost = (layer: string) => staticCost(one(layer), { context: 256, quantization: "q4_0" });

describe("counts", () => {
  it("an output gate has a weight for each channel and head, and no cached element", () => {
    const [plain, gated] = [cost("g"), cost("g(4/2x16o)")];
    expect(gated.parameters - plain.parameters).toBe(64 * 4);
    expect(gated.decodeFlops - plain.decodeFlops).toBe(2 * 64 * 4);
    expect(gated.kvBytes).toBe(plain.kvBytes);
    expect(tensorsOf(one("g(4/2x16o)"))).toContainEqual({
      name: "blk.0.attn_gate.weight",
      shape: [64, 4],
      role: "matrix",
    });
  });

  it.each(["g(4/2x16r8)", "g(4/2x16r0)"])("%s costs as much as RoPE of whole heads", (layer) => {
    expect(cost(layer)).toEqual(cost("g"));
  });

  it("norms after mixer and FFN are two vectors a layer", () => {
    const names = (layer: string) => tensorsOf(one(layer)).map(({ name }) => name);
    expect(names("c3^2 c3").filter((name) => name.includes("post_"))).toEqual([
      "blk.0.post_attention_norm.weight",
      "blk.0.post_ffw_norm.weight",
    ]);
    expect(cost("c3^2 g").parameters - cost("c3 g").parameters).toBe(2 * 64);
  });
});

describe("identity", () => {
  it("options tell layouts apart, and fields of options that are not used are absent", () => {
    const layers = ["g", "g(4/2x16o)", "g(4/2x16r8)", "g(4/2x16r0)", "g^2"];
    expect(new Set(layers.map((layer) => layoutId(one(layer)))).size).toBe(layers.length);
    expect(one("g").layers[0]).toEqual({
      mixer: { op: "gqa", heads: 4, kvHeads: 2, headDim: 16, qkNorm: true, ropeTheta: 1_000_000 },
      ffn: { op: "swiglu", width: 128 },
    });
  });

  it("a layout's JSON is read with its options", () => {
    const layout = one("g(4/2x16or8)^2 c3 g(4/2x16r0)");
    expect(parseLayout(JSON.parse(JSON.stringify(layout)))).toEqual(layout);
  });

  it("QK-norm, RoPE base, heads, gate and rotation may differ in every layer", () => {
    const text = "v512 d64 f128 h4/2x16 : g g(2/1x32n) s8(4/4x8ot10000) g(8/1x16nor4t500) g(4/2x16r0)";
    expect(formatNotation(parseNotation(text))).toBe(text);
    expect(expressionOf(parseNotation(text)).architecture).toBe("edgefront");
  });
});

it("the key of the rotation is only in files that need it", () => {
  expect(plan("g s8(4/2x16o)^2")).not.toContain("rotated_count");
  expect(plan("g g(4/2x16r0)")).toContain("edgefront.rope.rotated_count");
});

it("proxies keep gates, norms and the share of channels that RoPE turns", () => {
  const proxy = (layer: string, headDim = 8) => {
    const config = { width: 32, headDim, context: 1024 };
    return formatNotation(proxyLayout(one(layer), config, { vocab: 64, length: 32 }));
  };
  expect(proxy("g(4/2x16or8)^2")).toBe("v64 d32 f64 h4/2x8or4 n2 : g");
  expect(proxy("g(4/2x16r0) g^2")).toBe("v64 d32 f64 h4/2x8r0 : g g(4/2x8)^2");
  // Some channels turn, and some do not, in heads of any size.
  expect(proxy("g(4/2x64r2)")).toContain("h4/2x8r2");
  expect(proxy("g(4/2x64r62)")).toContain("h4/2x8r6");
});

describe("upstream formats", () => {
  it.each([
    ["g(4/2x16o) g(4/2x16o)", "output gate"],
    ["g(4/2x16nr8)", "a part of its heads"],
    ["g^2", "norms after"],
  ])("attention alone with options (%s) is in no other engine", (layer, reason) => {
    expect(expressionOf(one(layer))).toMatchObject({
      architecture: "edgefront",
      why: expect.stringContaining(reason),
    });
    expect(huggingFaceConfig(one(layer))).toMatchObject({
      ok: false,
      reason: expect.stringContaining(reason),
    });
  });

  it.each([
    ["c3 g(4/2x16o) s8(4/2x16)", "output gate"],
    ["c3^2 g", "only some of its layers"],
    ["c3 g(4/2x16o) g(4/2x16or8)", "global attention layers differ in RoPE"],
    ["c3 s8(4/2x16o) s8(4/2x16ot500)", "windows differ in RoPE"],
    ["c3 s8(4/2x16o) s9(4/2x16o)", "windows differ in length"],
    ["c3 c4 g(4/2x16o)", "differ in their taps"],
    ["c3 g(4/2x16no)", "without QK-norm"],
    ["c3^2 c4^2", "no attention layer"],
    ["c3 g(4/2x16o)~64", "differ in FFN width"],
  ])("transformers' Lfm3 does not express %s", (layers, reason) => {
    expect(huggingFaceConfig(one(layers))).toMatchObject({
      ok: false,
      reason: expect.stringContaining(reason),
    });
  });
});

it.each([
  ["c3 g(4/2x16o)", "none of its attention layers has a window"],
  ["c3^2 s8^2", "no output gate"],
  ["c3 s8(4/2x16or8)", "in its windows"],
])("llama.cpp's lfm3 does not express %s", (layers, reason) => {
  expect(expressionOf(one(layers))).toMatchObject({
    architecture: "edgefront",
    why: expect.stringContaining(reason),
  });
});

it("pictures name the options of a layer", () => {
  const picture = String(layerStrip(one("g(4/2x16or8)^2 s8(4/2x16r0)"), 128, ""));
  expect(picture).toContain(
    "4/2 heads of 16, output gates, RoPE of 8 channels; FFN 128; norms before and after",
  );
  expect(picture).toContain("4/2 heads of 16, no RoPE; FFN 128<");
});

describe("in a space", () => {
  const config = {
    vocab: 256,
    width: 128,
    depth: 4,
    mixers: ["c3", "g", "s8"],
    heads: ["4/2x32", "4/2x32or16", "4/2x32r0"],
    parameters: "1M",
  };
  const space = new Space(spaceSchema.parse({ ...config, norms: ["pre", "sandwich"] }));

  it("norms are drawn, changed, crossed and enumerated", () => {
    const rng = createRng(1);
    const seen = new Set<string>();
    const first = space.realize(space.sampleGenome(rng));
    if (!first.ok) throw new Error(first.reason);
    let { layout } = first;
    const parents = [layout];
    for (let n = 0; n < 200; n++) {
      layout = mutate(space, layout, rng)?.candidate ?? layout;
      parents.push(layout);
      const child = crossover(space, layout, parents[rng.below(parents.length)]!, rng)?.candidate ?? layout;
      for (const each of [layout, child]) {
        expect(new Set(each.layers.map(normsOf)).size).toBe(1);
        expect(Math.abs(parameterCount(each) - 1e6) / 1e6).toBeLessThan(0.01);
        seen.add(normsOf(each.layers[0]!));
        for (const { mixer } of each.layers) seen.add(JSON.stringify(mixer));
      }
    }
    expect(seen.size).toBe(2 + 1 + 2 * 3);
    expect(space.size()).toBe(2 * 3 * 3 ** 4);
    const small = new Space(spaceSchema.parse({ ...config, depth: 1, norms: ["pre", "sandwich"] }));
    expect([...small.enumerate()]).toHaveLength(2 * 3 * 3);
  });

  it("a space without this axis has norms before the parts, and refuses others", () => {
    const plain = new Space(spaceSchema.parse(config));
    const draw = (of: Space) => of.realize(of.sampleGenome(createRng(3)));
    const only = new Space(spaceSchema.parse({ ...config, norms: "pre" }));
    expect(draw(plain)).toEqual(draw(only));
    const sandwich = space.genomeOf(parseNotation("v256 d128 f64 h4/2x32 n2 : c3 g c3 s8"));
    expect(plain.realize(sandwich)).toEqual({ ok: false, reason: "sandwich norms are not in the space" });
    expect(space.realize(sandwich).ok).toBe(true);
  });
});
