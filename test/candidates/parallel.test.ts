// Parallel layers: two mixers that read the same normalised input. Examples of their notation pass the contract
// tests of operators (operators.test.ts).
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { isAttention, isGlobalAttention, isWindowAttention } from "../../candidates/layout.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { layerStrip } from "../../reports/page/strip.ts";
import { mutate } from "../../search/operators/mutate.ts";
import { termsOf } from "../../search/predictor/additive.ts";
import { createRng } from "../../search/rng.ts";

const of = (layers: string) => parseNotation(`v512 d64 f128 h4/2x16 : ${layers}`);
const first = (layers: string) => of(layers).layers[0]!;

describe("a parallel layer", () => {
  it("costs what its mixers cost, with one norm and one FFN", () => {
    const ffn = parameterCount(of("g~0 g")) - parameterCount(of("g~0 g~0"));
    expect(parameterCount(of("g+m2"))).toBe(parameterCount(of("g m2")) - 64 - ffn);
    const cost = (layers: string) => staticCost(of(layers), { context: 1000, quantization: "q8_0" });
    const [both, apart] = [cost("g+m2~0"), cost("g~0 m2~0")];
    expect(both.kvBytes).toBe(apart.kvBytes);
    expect(both.stateBytes).toBe(apart.stateBytes);
    expect(both.decodeFlops).toBe(apart.decodeFlops);
    expect(both.prefillFlops).toBe(apart.prefillFlops);
    expect(apart.decodeBytes - both.decodeBytes).toBe(4 * 64);
    const terms = (layers: string) =>
      new Map([...termsOf(of(layers), 1000)].filter(([name]) => name !== "layers"));
    expect(terms("g+m2~0")).toEqual(terms("g~0 m2~0"));
  });

  it("is attention of its mixer's reach", () => {
    expect([first("g+m2"), first("s8+m2")].map(isAttention)).toEqual([true, true]);
    expect([first("g+m2"), first("s8+m2")].map(isGlobalAttention)).toEqual([true, false]);
    expect([first("g+m2"), first("s8+m2")].map(isWindowAttention)).toEqual([false, true]);
  });

  it.each([
    ["g(4/2x16o)+m2(x8n16) g g", "g(4/2x16o)+m2(x8n16) g g"],
    ["2[s8+c3] g+m2~96^2", "s8+c3 s8+c3 g+m2~96^2"],
    ["A=g+m2 c3 A", "A=g+m2 c3 A"],
    ["g+m2 g+m2 g<+c3", "g+m2 g+m2 g<+c3"],
  ])("reads %s and writes it", (text, written) => {
    expect(formatNotation(of(text)).split(" : ")[1]).toBe(written);
    expect(of(written)).toEqual(of(text));
  });

  it.each([
    ["g+s8", "attention and another mixer, in this order"],
    ["m2+g", "attention and another mixer, in this order"],
    ["m2+c3", "attention and another mixer, in this order"],
    ["g+m2+c3", "not a layer"],
    ["g+x", "not a layer"],
    ["g+lin(2x16)", "g and lin cannot be parallel: files need the name attn_output.weight for both"],
    ["g(4/2x16o)+gdn(2/2x16)", "g and gdn cannot be parallel: files need the name attn_gate.weight for both"],
    ["g+m2(x24)", "do not divide into heads of 24"],
    ["g(3/2x16)+c3", "cannot be grouped"],
    ["g<+m2", "layer 0: g<\\(4/2x16\\) reads the keys and values"],
  ])("refuses %s", (text, message) => {
    expect(() => of(text)).toThrow(new RegExp(message));
  });

  it("states in files what tensors of one mixer alone would show", () => {
    const { metadata } = lower(of("g(4/2x16o)+m2 c3 g"), { quantization: "f32" });
    expect(metadata.get("edgefront.layer.mixer")!.value).toEqual(["gqa+m2", "conv", "gqa"]);
    expect(metadata.get("edgefront.attention.output_gate")!.value).toEqual([true, false, false]);
    const alone = lower(of("g(4/2x16o) m2"), { quantization: "f32" });
    expect(alone.metadata.has("edgefront.attention.output_gate")).toBe(false);
  });

  it("has both marks in the picture", () => {
    const picture = String(layerStrip(of("g+m2 c3"), 128, ""));
    expect(picture).toContain("layer 0: global attention, 4/2 heads of 16; beside it mamba-2");
    expect(picture.match(/<text/g)).toHaveLength(3);
  });
});

describe("a space with parallel layers", () => {
  const space = new Space(
    spaceSchema.parse({
      ...{ vocab: 512, width: 64, depth: 4, heads: ["4/2x16"], mixers: ["c3", "g", "m2", "g+m2"] },
      ...{ ffn: 128, attention: { max: 2 } },
    }),
  );

  it("counts them as attention", () => {
    for (const { layers } of space.enumerate()) expect(layers.filter(isAttention).length).toBeLessThan(3);
  });

  it("adds, removes and exchanges a mixer of a layer by mutation", () => {
    const rng = createRng(1);
    const changes = new Set<string>();
    let layout = of("g c3 m2 c3");
    for (let n = 0; n < 300; n++) {
      const varied = mutate(space, layout, rng);
      if (varied === null) continue;
      const tokens = (text: string) => text.split(" : ")[1]!.split(" ");
      const [old, next] = [layout, varied.candidate].map((one) => tokens(formatNotation(one)));
      for (const [place, token] of next!.entries()) changes.add(`${old![place]} -> ${token}`);
      layout = varied.candidate;
    }
    for (const change of ["g -> g+m2", "g+m2 -> g", "g+m2 -> m2", "m2 -> g+m2", "c3 -> g+m2"])
      expect(changes).toContain(change);
  });
});
