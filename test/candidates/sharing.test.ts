// Layers that share weights, or read the keys and values of another: notation, identity, costs, files,
// proxies.
import { describe, expect, it } from "vitest";
import { parameterCounts, staticCost, tensorsOf } from "../../candidates/cost.ts";
import { expressionOf, lower } from "../../candidates/gguf/lower.ts";
import { type Layout, layoutId, parseLayout } from "../../candidates/layout.ts";
import { formatNotation, formatPattern, parseNotation } from "../../candidates/notation.ts";
import { runsIn } from "../../candidates/runs-in.ts";
import { kvSources, loopsOf, weightSources } from "../../candidates/sharing.ts";
import { proxyLayout } from "../../profilers/proxy.ts";
import { termsOf } from "../../search/predictor/additive.ts";
import { createRng } from "../../search/rng.ts";

const HEADER = "v64 d32 f48 h4/2x16 : ";
const layoutOf = (layers: string): Layout => parseNotation(HEADER + layers);
const costOf = (layers: string) => staticCost(layoutOf(layers), { context: 100, quantization: "f16" });
const sources = (layers: string) => weightSources(layoutOf(layers).layers);

describe("shared weights", () => {
  it.each([
    ["2*c3", [0, 0]],
    ["2*[c3 g]", [0, 1, 0, 1]],
    ["c5 3*[c3 g] c3", [0, 1, 2, 1, 2, 1, 2, 7]],
    ["2*[2*c3 g]", [0, 0, 2, 0, 0, 2]],
    ["2*[c5 2*[c3 g]]", [0, 1, 2, 1, 2, 0, 1, 2, 1, 2]],
    ["A=c3 g A", [0, 1, 0]],
    ["A=c3 B=g B A c3", [0, 1, 1, 0, 4], "A=c3 2*g A c3"],
    ["2*A=c3 g~33 A", [0, 0, 2, 0]],
    ["2*[A=c3 g] A", [0, 1, 0, 1, 0]],
    ["2[2*c3 g]", [0, 0, 2, 3, 3, 5], "2*c3 g 2*c3 g"],
    ["2[A=c3 g A]", [0, 1, 0, 3, 4, 3], "A=c3 g A B=c3 g B"],
    ["2*[A=c3 g A]", [0, 1, 0, 0, 1, 0]],
    ["2*[c3 c3 g~moe(4/2x16)^2]", [0, 1, 2, 0, 1, 2]],
  ])("reads and writes %s", (text, expected, written = text) => {
    expect(sources(text)).toEqual(expected);
    expect(formatNotation(layoutOf(text))).toBe(
      (HEADER + written).replace(text.includes("g") ? "" : " h4/2x16", ""),
    );
    expect(layoutOf(written)).toEqual(layoutOf(text));
  });

  it.each([
    ["2*g", 2],
    ["3*[c3 g]", 3],
    ["2*[c3 s4 s4<]", 1],
    ["2*c3 2*g", 1],
    ["A=c3 g A", 1],
    ["c3 g", 1],
  ])("counts the loops of %s", (text, loops) => {
    expect(loopsOf(layoutOf(text).layers)).toBe(loops);
  });

  it("writes any map of shared layers so that it is read back", () => {
    const rng = createRng(7);
    for (let n = 0; n < 500; n++) {
      const layers: { mixer: object; ffn: object; weightsOf?: number }[] = [];
      for (let layer = 0; layer < 1 + rng.below(12); layer++) {
        const owners = layers.flatMap(({ weightsOf }, index) => (weightsOf === undefined ? [index] : []));
        const owner = owners[rng.below(owners.length + 1)];
        const block = { mixer: { op: "conv", kernel: 2 + rng.below(2) }, ffn: { op: "swiglu", width: 48 } };
        const { mixer, ffn } = owner === undefined ? block : layers[owner]!;
        layers.push({ mixer, ffn, ...(owner !== undefined && { weightsOf: owner }) });
      }
      const layout = parseLayout({ vocab: 64, width: 32, layers });
      expect(parseNotation(formatNotation(layout))).toEqual(layout);
    }
  });

  it.each([
    ["A g", 'no layer before "A" has this name'],
    ["600*c3", "more than 512"],
    ["2*[c3", "without its ]"],
    ["A=A", "no layer before|not a layer"],
  ])("refuses %j in one line", (text, message) => {
    expect(() => layoutOf(text)).toThrow(new RegExp(message));
  });

  it("refuses another layer's weights where that layer differs, is later or has none of its own", () => {
    const [conv, attention] = layoutOf("c3 g").layers;
    const refused =
      (...layers: object[]) =>
      () =>
        parseLayout({ vocab: 64, width: 32, layers });
    expect(refused(conv!, { ...attention, weightsOf: 0 })).toThrow(
      "layer 1: weightsOf 0 is a layer with another",
    );
    expect(refused(conv!, { ...conv, norms: "sandwich", weightsOf: 0 })).toThrow(
      "another mixer, FFN or norms",
    );
    expect(refused({ ...conv, weightsOf: 1 }, conv!)).toThrow("layer 0: weightsOf 1 is not an earlier layer");
    expect(refused({ ...conv, weightsOf: 0 })).toThrow("layer 0: weightsOf 0 is not an earlier layer");
    expect(refused(conv!, { ...conv, weightsOf: 0 }, { ...conv, weightsOf: 1 })).toThrow(
      "layer 2: weightsOf 1",
    );
  });

  it("changes the id, and no id of a layout that does not share", () => {
    expect(layoutId(layoutOf("2*c3"))).not.toBe(layoutId(layoutOf("c3 c3")));
    expect(layoutId(layoutOf("2*[c3 g]"))).not.toBe(layoutId(layoutOf("2*c3 2*g")));
  });

  it("counts stored weights once, and FLOPs, reads and state for each layer", () => {
    const [once, looped, twice] = ["c3 g", "2*[c3 g]", "2[c3 g]"].map(costOf);
    const fixed = 64 * 32 * 2 + 32 * 4; // token table and final norm
    expect(looped!.parameters).toBe(once!.parameters);
    expect(looped!.weightBytes).toBe(once!.weightBytes);
    expect(looped!.decodeBytes).toBe(twice!.decodeBytes);
    expect(looped!.decodeBytes - fixed).toBe(2 * (once!.decodeBytes - fixed));
    for (const key of ["decodeFlops", "prefillFlops", "kvBytes", "stateBytes"] as const)
      expect(looped![key], key).toBe(twice![key]);
    expect(looped!.residentBytes).toBe(looped!.weightBytes + looped!.kvBytes + looped!.stateBytes);
  });

  it("counts parameters as if layers shared nothing, as stored, and as a token uses them", () => {
    const [looped, twice, once] = [
      "2*[c3~moe(4/2x16)^2 g]",
      "2[c3~moe(4/2x16)^2 g]",
      "c3~moe(4/2x16)^2 g",
    ].map((layers) => parameterCounts(layoutOf(layers)));
    expect(looped).toEqual({ total: twice!.stored, stored: once!.stored, active: once!.active });
    expect(once!.active).toBe(once!.stored - 2 * 3 * 16 * 32); // two experts are idle
    const [reads, both] = ["2*c3~moe(4/2x16)^2", "2[c3~moe(4/2x16)^2]"].map(costOf);
    expect(reads!.decodeReadBytes).toBe(both!.decodeReadBytes);
    expect(reads!.decodeFlops).toBe(both!.decodeFlops);
  });

  it.each(["2*[c3 g]", "c3 g g<", "2*[c3~40 g]", "2*m2 g(4/2x16n)", "2*[g g]", "2*[c7^2 g(4/2x16o)^2]"])(
    "%s runs in edgefront alone, and the reason is that layers share",
    (layers) => {
      const [own, ...others] = runsIn(layoutOf(layers));
      expect(own!.how).toBe("exact");
      for (const { how, reason } of others) {
        expect(how).toBe("no");
        expect(reason).toMatch(/^some of its layers (share weights|read the keys and values of another)$/);
      }
    },
  );

  it("gives the predictor terms for repeated weights, which take time but no memory", () => {
    const [looped, once] = ["2*c3", "c3"].map((layers) => termsOf(layoutOf(layers), 100));
    expect(looped!.get("weights of c3")).toBe(once!.get("weights of c3"));
    expect(looped!.get("repeated weights of c3")).toBe(once!.get("weights of c3"));
  });

  it("lists whose weights each layer has in the file, which stores them once", () => {
    const { plan, tensors } = lower(layoutOf("2*[c3 g]"), { quantization: "f16" });
    expect(plan.includes("edgefront.layer.weights_from")).toBe(true);
    expect(plan.includes("edgefront.attention.kv_from")).toBe(false);
    expect(tensors.map(({ name }) => name)).toEqual(tensorsOf(layoutOf("c3 g")).map(({ name }) => name));
    expect(expressionOf(layoutOf("2*[c3 g]"))).toEqual({
      architecture: "edgefront",
      why: "some of its layers share weights",
    });
  });
});

describe("keys and values of an earlier layer", () => {
  it("come from the nearest earlier layer of the kind that has its own", () => {
    const read = (layers: string) => kvSources(layoutOf(layers).layers);
    expect(read("c3 g g< g c5 g<")).toEqual([0, 1, 1, 3, 4, 3]);
    expect(read("g s8 s9 s8< g< s9<")).toEqual([0, 1, 2, 1, 0, 2]);
    expect(read("2*[g g<]")).toEqual([0, 0, 2, 2]);
  });

  it.each(["g<", "g g<(4/1x16)", "g g<(2/2x16)", "g g<(4/2x16n)", "g g<(4/2x16t10000)", "g s8<", "s8 s9<"])(
    "refuses %s",
    (text) => {
      expect(() => layoutOf(text)).toThrow("reads the keys and values of an earlier layer of its kind");
    },
  );

  it("take no parameters, no state and no writes, and are read as before", () => {
    const [shared, own] = ["g g<", "g g"].map(costOf);
    expect(own!.parameters - shared!.parameters).toBe(2 * 32 * 32 + 16);
    expect(own!.kvBytes).toBe(2 * shared!.kvBytes);
    expect(own!.decodeReadBytes - shared!.decodeReadBytes).toBe(own!.weightBytes - shared!.weightBytes);
    expect(own!.decodeFlops - shared!.decodeFlops).toBe(2 * 2 * 32 * 32);
  });

  it("are listed in the file only if a layer reads another's", () => {
    const planOf = (layers: string) => lower(layoutOf(layers), { quantization: "f16" }).plan;
    expect(planOf("g c3 g<").includes("edgefront.attention.kv_from")).toBe(true);
    expect(planOf("g c3 g").includes("edgefront.attention.kv_from")).toBe(false);
    expect(expressionOf(layoutOf("g g<")).why).toBe("some of its layers read the keys and values of another");
  });

  it("belong to the notation of a mixer", () => {
    expect(formatPattern(layoutOf("g g< s8(2/1x32) s8<(2/1x32)"))).toBe("g g< s8(2/1x32) s8<(2/1x32)");
  });
});

it("proxies share as their candidates do", () => {
  const layout = layoutOf("2*[c3 g g<] s8");
  const proxy = proxyLayout(layout, { width: 16, headDim: 8 }, { vocab: 64, length: 32 });
  expect(weightSources(proxy.layers)).toEqual(weightSources(layout.layers));
  expect(kvSources(proxy.layers)).toEqual(kvSources(layout.layers));
});
