// Mixtures of experts and absent FFNs: counts against their formulas, notation, metadata, proxies, upstream
// architectures and their place in a space. operators.test.ts runs the contract of every operator.
import { describe, expect, it } from "vitest";
import { parameterCount, parameterCounts, staticCost, weightBytesRead } from "../../candidates/cost.ts";
import { architectureOf, expressionOf, lower } from "../../candidates/gguf/lower.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatFfn, formatNotation, parseFfn, parseNotation } from "../../candidates/notation.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";
import { mutate } from "../../search/operators/mutate.ts";
import { createRng } from "../../search/rng.ts";

const moe = namedLayouts["lfm2-8b-a1b"]!;
const planOf = (notation: string) =>
  lower(parseNotation(notation), { quantization: "f32" }).plan.toString("latin1");

describe("counts", () => {
  it("are those of LFM2-8B-A1B: 8.3 billion parameters, of which a token uses 1.6 billion", () => {
    expect(parameterCounts(moe)).toMatchObject({ stored: 8_339_930_560, active: 1_557_740_992 });
    expect(parameterCount(moe)).toBe(8_339_930_560);
  });

  it("are equal in a dense layout", () => {
    const { stored, active } = parameterCounts(namedLayouts["lfm2-350m"]!);
    expect(active).toBe(stored);
  });

  it("have FLOPs of the experts that a token uses, and of the router", () => {
    const flops = (ffn: string) =>
      staticCost(parseNotation(`v64 d32 f${ffn} : c3`), { context: 10, quantization: "f32" });
    const dense = flops("96");
    const sparse = flops("moe(8/3x32)");
    expect(sparse.decodeFlops - dense.decodeFlops).toBe(2 * 32 * 8);
    expect(sparse.prefillFlops - dense.prefillFlops).toBe(10 * 2 * 32 * 8);
    expect(flops("0").decodeFlops).toBe(dense.decodeFlops - 2 * 3 * 32 * 96);
  });

  it("have the bytes of the experts that a decode step is expected to use", () => {
    const layout = parseNotation("v64 d32 fmoe(8/2x32) : c3");
    const expert = 4 * 3 * 32 * 32;
    const { weightBytes, decodeReadBytes, stateBytes } = staticCost(layout, {
      context: 10,
      quantization: "f32",
    });
    expect(decodeReadBytes).toBe(weightBytes - 6 * expert + stateBytes);
    for (const [batch, distinct] of [
      [1, 2],
      [2, 3.5],
      [3, 4.625],
    ] as const)
      expect(weightBytesRead(layout, "f32", batch)).toBeCloseTo(weightBytes - (8 - distinct) * expert, 6);
    expect(weightBytesRead(layout, "f32", 200)).toBeCloseTo(weightBytes, 6);
  });
});

describe("notation", () => {
  it.each([
    "v65536 d2048 fmoe(32/4x1792) h32/8x64 : c3~7168 c3~7168 g c3 c3",
    "v64 d32 f64 : c3~moe(4/2x16) c3 c3",
    "v64 d32 f64 : c3~0 c3 c3",
    "v64 d32 f0 : c3 c3~64 c3",
  ])("%s is read and written", (notation) => {
    expect(formatNotation(parseNotation(notation))).toBe(notation);
  });

  it("needs numbers that agree", () => {
    const read = (ffn: string) => parseNotation(`v64 d32 f64 : c3~${ffn}`);
    expect(() => read("moe")).toThrow("write experts/experts for each token x width, e.g. moe(32/4x1792)");
    expect(() => read("moe(4x16)")).toThrow("write experts/experts for each token x width");
    expect(() => read("moe(2/3x16)")).toThrow("layer 0: a token cannot use 3 of 2 experts");
    expect(() => read("64(2)")).toThrow("takes no parentheses");
    expect(() => read("0(2)")).toThrow("takes no parentheses");
    expect(() => read("moes(4/2x16)")).toThrow("is not a layer");
  });
});

describe("files", () => {
  it("have keys of experts only if some layer has experts", () => {
    expect(planOf("v64 d32 f64 : c3 c3~0")).not.toContain("expert");
    const plan = planOf("v64 d32 f64 : c3 c3~moe(4/2x16)");
    for (const key of ["expert_count", "expert_used_count", "expert_feed_forward_length"])
      expect(plan).toContain(`edgefront.${key}`);
  });

  it("have neither a norm nor tensors of an absent FFN", () => {
    const { tensors } = lower(parseNotation("v64 d32 f64 : c3 c3~0"), { quantization: "f32" });
    expect(tensors.filter(({ name }) => name.startsWith("blk.1.ffn"))).toEqual([]);
    expect(tensors.filter(({ name }) => name.startsWith("blk.0.ffn"))).toHaveLength(4);
  });

  it("hold the router in F32 and the experts of a layer in one tensor", () => {
    const { tensors } = lower(parseNotation("v64 d32 fmoe(4/2x64) : c3"), { quantization: "q4_0" });
    const types = Object.fromEntries(tensors.map(({ name, shape, type }) => [name, [shape, type]]));
    expect(types["blk.0.ffn_gate_inp.weight"]).toEqual([[32, 4], 0]);
    expect(types["blk.0.exp_probs_b.bias"]).toEqual([[4], 0]);
    expect(types["blk.0.ffn_up_exps.weight"]).toEqual([[32, 64, 4], 2]);
    expect(types["blk.0.ffn_down_exps.weight"]).toEqual([[64, 32, 4], 2]);
  });
});

describe("upstream architectures", () => {
  const LFM2 = "v64 d32 h2/1x16";
  it.each([
    [`${LFM2} fmoe(4/2x16) : c3~64 g~64 c3 g`, "lfm2moe", null],
    [`${LFM2} fmoe(4/2x16) : c3 g c3`, "lfm2moe", null],
    [`${LFM2} f64 : c3 g c3`, "lfm2", null],
    [`${LFM2} fmoe(4/2x16) : c3 g~64 c3`, "edgefront", "other FFNs after the first"],
    [`${LFM2} fmoe(4/2x16) : c3~0 g c3`, "edgefront", "other FFNs after the first"],
    [`${LFM2} fmoe(4/2x16) : c3 g~moe(4/1x16)`, "edgefront", "its mixtures of experts differ"],
    [`${LFM2} fmoe(4/2x16) : c3~64 g~96 c3`, "edgefront", "its dense FFNs differ"],
    [`${LFM2} fmoe(4/2x16) : c3 s8`, "edgefront", "attention over a window"],
    [`${LFM2} f64 : c3 g~0`, "edgefront", "FFN other than SwiGLU"],
    [`${LFM2} fmoe(4/2x16) : g g`, "edgefront", "FFN other than SwiGLU"],
  ])("%s is %s", (notation, architecture, why) => {
    const layout = parseNotation(notation);
    expect(architectureOf(layout)).toBe(architecture);
    if (why !== null) expect(expressionOf(layout).why).toContain(why);
    expect(huggingFaceConfig(layout).ok).toBe(why === null);
  });

  it("LFM2-8B-A1B has the keys of its release", () => {
    expect(architectureOf(moe)).toBe("lfm2moe");
    expect(huggingFaceConfig(moe)).toMatchObject({
      ok: true,
      config: {
        architectures: ["Lfm2MoeForCausalLM"],
        intermediate_size: 7168,
        moe_intermediate_size: 1792,
        num_dense_layers: 2,
        num_experts: 32,
        num_experts_per_tok: 4,
      },
    });
  });
});

it("a proxy has at most 8 experts, of which a token uses at most 2, and keeps the ratio of widths", () => {
  const config = { width: 64, headDim: 16, context: 1024 };
  const proxy = proxyLayout(moe, config, { vocab: 64, length: 32 });
  expect(formatFfn(proxy.layers[0]!.ffn)).toBe("224");
  expect(formatFfn(proxy.layers[2]!.ffn)).toBe("moe(8/2x56)");
});

describe("a space", () => {
  const config = { vocab: 256, width: 64, depth: 4, mixers: ["c3", "g"], heads: ["4/2x16"] };

  it("varies experts, experts for each token and width", () => {
    const ffn = [128, "moe(4/2x64)", "moe(8/2x32)", "moe(8/1x64)", "0"];
    const space = new Space(spaceSchema.parse({ ...config, ffn }));
    space.requireLayouts();
    const rng = createRng(1);
    const first = space.realize(space.sampleGenome(rng));
    if (!first.ok) throw new Error(first.reason);
    let { layout } = first;
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) {
      layout = mutate(space, layout, rng)?.candidate ?? layout;
      for (const layer of layout.layers) seen.add(formatFfn(layer.ffn));
    }
    expect([...seen].sort()).toEqual(ffn.map(String).sort());
  });

  it("refuses what is no FFN, an impossible one, and experts under a parameter budget", () => {
    const open = (more: object) => () => new Space(spaceSchema.parse({ ...config, ...more }));
    expect(open({ ffn: "wide" })).toThrow('"wide" is not an FFN');
    expect(open({ ffn: "moe(2/3x16)" })).toThrow("impossible FFN moe(2/3x16)");
    expect(open({ ffn: "moe(4/2x16)", parameters: "1M" })).toThrow("not both");
  });

  it("keeps the experts of an included layout whose first layers are dense", () => {
    const space = new Space(spaceSchema.parse({ ...config, ffn: ["moe(4/2x64)"] }));
    const layout = parseNotation("v256 d64 fmoe(4/2x64) h4/2x16 : c3~256 c3 g c3");
    expect(space.genomeOf(layout).ffn).toEqual(parseFfn("moe(4/2x64)"));
  });
});
