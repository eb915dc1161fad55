import { describe, expect, it } from "vitest";
import { leastBytesRead, parameterCount, staticCost } from "../../candidates/cost.ts";
import {
  isGlobalAttention,
  isWindowAttention,
  type Layout,
  layoutId,
  parseLayout,
} from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation, formatPattern, parseNotation } from "../../candidates/notation.ts";
import { ffnWidthOf } from "../../candidates/ops/operator-registry.ts";
import { solveFfnWidth } from "../../candidates/solver.ts";

describe("named layouts", () => {
  it.each([
    ["lfm2-350m", 354_483_968],
    ["lfm2-700m", 742_489_344],
    ["lfm2-1.2b", 1_170_340_608],
    ["lfm2-2.6b", 2_569_272_320],
    ["qwen3-0.6b", 596_049_920],
    ["llama-3.2-1b", 1_235_814_400],
    ["lfm3-1.7b", 1_728_801_536],
  ])("%s has its published %i parameters", (name, parameters) => {
    expect(parameterCount(namedLayouts[name]!)).toBe(parameters);
  });

  const models = ["lfm2-350m", "lfm2-700m", "lfm2-1.2b", "lfm2-2.6b"];
  const inPlace = ({ width }: Layout) => ({
    gqa: "g",
    swa: "s256",
    m2: "m2",
    gdn: `gdn(${width / 128}/${width / 128}x128)`,
    linear: `lin(${width / 64}x64)`,
  });
  it.each(models)("%s has twins of its size, with another mixer for the convolutions", (name) => {
    const model = namedLayouts[name]!;
    const target = parameterCount(model);
    for (const [ending, mixer] of Object.entries(inPlace(model))) {
      const twin = namedLayouts[`${name}-${ending}`]!;
      expect(Math.abs(parameterCount(twin) - target) / target, ending).toBeLessThan(0.01);
      expect(formatPattern(twin), ending).toBe(formatPattern(model).replaceAll("c3", mixer));
    }
  });

  it.each(models)("twins of %s keep its global attention, and have no other but windows", (name) => {
    const global = (ending: string) => namedLayouts[`${name}${ending}`]!.layers.map(isGlobalAttention);
    for (const ending of ["-swa", "-m2", "-gdn", "-linear"])
      expect(global(ending), ending).toEqual(global(""));
    expect(global("-gqa").every(Boolean)).toBe(true);
    const windows = namedLayouts[`${name}-swa`]!.layers;
    expect(windows.every((layer) => isGlobalAttention(layer) || isWindowAttention(layer))).toBe(true);
  });

  it("gemma-3-1b-like has the published parameters but for its 52 norms after mixers and FFNs", () => {
    expect(parameterCount(namedLayouts["gemma-3-1b-like"]!)).toBe(999_885_952 - 52 * 1152);
  });
});

describe("notation", () => {
  it.each(Object.entries(namedLayouts))("%s round-trips", (_name, layout) => {
    expect(parseNotation(formatNotation(layout))).toEqual(layout);
  });

  it("writes lfm2-350m as one would say it", () => {
    expect(formatNotation(namedLayouts["lfm2-350m"]!)).toBe(
      "v65536 d1024 f4608 h16/8x64 : c3 c3 g c3 c3 g c3 c3 g c3 g c3 g c3 g c3",
    );
  });

  it.each([
    "v512 d64 f128 h4/2x16 : c2 g s32 g(2/1x32n) c8~96 s7(4/4x8nt10000)~32",
    "v512 d64 f128 : c3",
    "v300 d96 f100 h3/1x32t500000 : g g s1",
    "v512 d64 f128 h4/2x16or8 : g s5(4/2x16ot10000) g(4/2x16r0) g(4/2x16nor6t500) c3",
    "v512 d64 f128 h4/2x16 n2 : c3 g c3~96^1 g(2/1x32n)^1 c4",
    "v512 d64 f128 : c3 c3^2 c3~64^2 c4",
  ])("%s round-trips as written", (text) => {
    expect(formatNotation(parseNotation(text))).toBe(text);
  });

  it("expands groups, nested too", () => {
    expect(formatNotation(parseNotation("v256 d64 f64 h2/1x32 : 2[c3 2[g] ] c5"))).toBe(
      "v256 d64 f64 h2/1x32 : c3 g g c3 g g c5",
    );
  });

  it.each([
    ["c3 c3", "one colon"],
    ["d64 f64 : x3", "not a layer"],
    ["d64 f64 : g", "geometry"],
    ["d64 : c3", "FFN width"],
    ["f64 : c3", "model width"],
    ["d64 f64 q9 : c3", "unknown header field"],
    ["d64 d64 f64 : c3", "twice"],
    ["d64 f64 : 2[c3", "misplaced|without"],
    ["d64 f64 : c3]", "without"],
    ["d64 f64 : 9999999[c3]", "more than 512"],
    ["d64 f64 : c9", "kernel"],
    ["d64 f64 h3/2x16 : g", "grouped"],
    ["d64 f64 h2/2x16r16 : g", "leave r16 out"],
    ["d64 f64 h2/2x16r3 : g", "multiple of 2"],
    ["d64 f64 h2/2x16r0t10000 : g", "leave t10000 out"],
    ["d64 f64 h2/2x16on : g", "not an attention geometry"],
    ["d64 f64 n3 : c3", "n1.*or n2"],
    ["d64 f64 : c3^3", "not a layer"],
    ["d64 f64 : ", "layers"],
  ])("refuses %j in one line", (text, message) => {
    expect(() => parseNotation(text)).toThrow(new RegExp(message));
  });
});

describe("canonical id", () => {
  it("is fixed: a change here breaks every stored id", () => {
    expect(layoutId(namedLayouts["lfm2-350m"]!)).toMatchInlineSnapshot(`"l1-1edf836506f8d582"`);
  });

  it("does not depend on key order or on defaults being spelled out", () => {
    const layout = parseNotation("v512 d64 f128 h4/2x16 : c3 g");
    const shuffled = {
      layers: [
        { ffn: { width: 128, op: "swiglu" }, mixer: { kernel: 3, op: "conv" } },
        { ffn: { op: "swiglu", width: 128 }, mixer: { headDim: 16, kvHeads: 2, heads: 4, op: "gqa" } },
      ],
      width: 64,
      vocab: 512,
    };
    expect(layoutId(parseLayout(shuffled))).toBe(layoutId(layout));
  });

  it("tells neighbours apart", () => {
    const texts = ["c3 g", "g c3", "c4 g", "c3 s64", "c3 g~96", "c3 g(4/1x16)", "c3 g(4/2x16n)"];
    const ids = texts.map((text) => layoutId(parseNotation(`v512 d64 f128 h4/2x16 : ${text}`)));
    expect(new Set(ids).size).toBe(texts.length);
  });
});

describe("parameter solver", () => {
  const mixers = (pattern: string) =>
    parseNotation(`d512 f64 h8/2x64 : ${pattern}`).layers.map((l) => l.mixer);

  it.each(["8[c3]", "8[g]", "c3 c3 g c3 c3 g c3 c3", "7[s128] g"])("matches %s within 1%%", (pattern) => {
    const layout = solveFfnWidth({ vocab: 8192, width: 512, mixers: mixers(pattern), parameters: 20e6 });
    expect(Math.abs(parameterCount(layout) - 20e6) / 20e6).toBeLessThan(0.01);
  });

  it("uses two widths where one is too coarse", () => {
    const layout = solveFfnWidth({
      vocab: 256,
      width: 64,
      mixers: mixers("16[c3]"),
      parameters: 900_000,
      tolerance: 0.01,
    });
    expect(new Set(layout.layers.map(({ ffn }) => ffnWidthOf(ffn))).size).toBe(2);
    expect(Math.abs(parameterCount(layout) - 900_000) / 900_000).toBeLessThan(0.01);
  });

  it("says what the smallest model is when the budget is too small", () => {
    expect(() =>
      solveFfnWidth({ vocab: 8192, width: 512, mixers: mixers("8[c3]"), parameters: 1e6 }),
    ).toThrow(/smallest such model/);
  });
});

describe("static cost of lfm2-350m", () => {
  const layout = namedLayouts["lfm2-350m"]!;

  it("counts Q4_0 weights as llama-quantize would store them", () => {
    const { weightBytes } = staticCost(layout, { context: 0, quantization: "q4_0" });
    const embedding = (65_536 * 1024 * 210) / 256;
    const rest = ((354_483_968 - 65_536 * 1024) * 18) / 32;
    expect(weightBytes).toBeGreaterThan(embedding + rest);
    expect(weightBytes).toBeLessThan((embedding + rest) * 1.002);
  });

  it("grows by the KV cache only: 6 layers x 2 x 8 x 64 x 2 bytes a token", () => {
    const at = (context: number) => staticCost(layout, { context, quantization: "q4_0" });
    expect(at(4096).kvBytes - at(1024).kvBytes).toBe(3072 * 6 * 2 * 8 * 64 * 2);
    expect(at(4096).stateBytes).toBe(10 * 2 * 1024 * 4);
    expect(at(4096).decodeBytes - at(1024).decodeBytes).toBe(3072 * 6 * 2 * 8 * 64 * 2);
    expect(at(4096).residentBytes).toBe(at(0).weightBytes + at(4096).kvBytes + at(4096).stateBytes);
  });

  it("counts state that a token writes as well as state that it reads", () => {
    const { decodeReadBytes, decodeBytes } = staticCost(layout, { context: 1024, quantization: "q4_0" });
    // 6 layers write keys and values of 8 heads of 64 (F16); 10 convolutions move their 2 inputs (F32).
    expect(decodeBytes - decodeReadBytes).toBe(6 * 2 * 8 * 64 * 2 + 10 * 2 * 1024 * 4);
    const recurrent = parseNotation("v512 d64 f128 : gdn(2/4x16)");
    const cost = staticCost(recurrent, { context: 9, quantization: "f32" });
    expect(cost.decodeBytes - cost.decodeReadBytes).toBe(cost.stateBytes);
  });

  it("the fewest bytes read count shared weights, keys and values once, and one token's experts", () => {
    const at = (text: string, batch: number) => {
      const options = { context: 100, quantization: "f32", batch } as const;
      return leastBytesRead(parseNotation(`v64 d32 f64 h4/2x8 : ${text}`), options);
    };
    const reads = (text: string) =>
      staticCost(parseNotation(`v64 d32 f64 h4/2x8 : ${text}`), { context: 100, quantization: "f32" });
    expect(at("c3 g gdn(2/2x8)", 1)).toBe(reads("c3 g gdn(2/2x8)").decodeReadBytes);
    const state = 2 * 2 * 8 * 100 * 2; // keys and values of 2 heads in F16
    expect(at("g", 3) - at("g", 1)).toBe(2 * state);
    // A second application reads a cache of its own, but no further weights.
    expect(at("2*g", 1) - at("g", 1)).toBe(state);
    expect(reads("2*g").decodeReadBytes).toBeGreaterThan(at("2*g", 1));
    // A layer that reads the keys and values of another adds its weights only.
    const { weightBytes } = reads("g g<");
    expect(at("g g<", 1)).toBe(weightBytes + state);
    const expert = 4 * 3 * 32 * 16;
    expect(at("g~moe(4/2x16)", 8)).toBe(reads("g~moe(4/2x16)").weightBytes - 2 * expert + 8 * state);
  });

  it("windows bound what attention reads", () => {
    const windowed = parseNotation("v512 d64 f128 h4/2x16 : s32 c3");
    const at = (context: number) => staticCost(windowed, { context, quantization: "f16" });
    expect(at(1000).decodeFlops).toBe(at(32).decodeFlops);
    expect(at(1000).kvBytes).toBe(2 * 2 * 16 * 32 * 2);
    expect(at(16).kvBytes).toBe(2 * 2 * 16 * 16 * 2);
  });
});
