// Gated DeltaNet: counts against its formulas, its notation, its metadata, its proxies and its place in a
// space. operators.test.ts runs the contract of every operator.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { formatMixer, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { countElements } from "../../candidates/ops/operator.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";
import { mutate } from "../../search/operators/mutate.ts";
import { createRng } from "../../search/rng.ts";

const D = 1024;
const costOf = (token: string) => {
  const mixer = parseMixer(token);
  const operator = operatorOf(mixer);
  const { flops, reads, writes } = operator.decode(mixer, D, 4096);
  const parameters = countElements(operator.tensors(mixer, D, "blk.0"));
  return { parameters, state: operator.state(mixer, D, 4096).recurrent, flops, reads, writes };
};

describe("counts", () => {
  // d(2K+2V) + 2d*Hv + k(2K+V) + 2Hv + dv + V*d, and a state of Hv*dk*dv + (k-1)(2K+V).
  it.each([
    ["gdn(8/8x128)", 5_271_696, 140_288],
    ["gdn(16/16x64)", 5_288_032, 74_752],
    ["gdn(4/8x64/128k3)", 3_691_152, 65_536 + 2 * 1536],
    // 3d*V + k*V + dv.
    ["gdn.conv(8x128)", 3 * D * D + 4 * D + 128, 3 * D],
  ])("%s has %i parameters and a state of %i elements", (token, parameters, state) => {
    const cost = costOf(token);
    expect(cost.parameters).toBe(parameters);
    expect(cost.state).toBe(state);
    // Every element is read and written for a token.
    expect([cost.reads, cost.writes]).toEqual([
      { kv: 0, recurrent: state },
      { kv: 0, recurrent: state },
    ]);
  });

  it("counts 7 FLOPs for an element of the state, and the taps", () => {
    expect(costOf("gdn(8/8x128)").flops).toBe(7 * 8 * 128 * 128 + 2 * 4 * 3072);
    expect(costOf("gdn.conv(8x128)").flops).toBe(2 * 4 * 1024);
  });

  it("keeps the state in F32, of the same size after any context", () => {
    const layout = parseNotation("v512 d64 f128 : gdn(2/2x16) c3");
    const at = (context: number) => staticCost(layout, { context, quantization: "q4_0" });
    expect(at(16).stateBytes).toBe(4 * (2 * 16 * 16 + 3 * 96 + 2 * 64));
    expect(at(65_536).stateBytes).toBe(at(16).stateBytes);
    expect(at(65_536).kvBytes).toBe(0);
  });
});

describe("notation", () => {
  it("takes the key heads' size for the values, and 4 taps, unless the token says otherwise", () => {
    expect(parseMixer("gdn(2/4x32)")).toEqual({
      op: "gdn",
      keyHeads: 2,
      valueHeads: 4,
      keyDim: 32,
      valueDim: 32,
      kernel: 4,
    });
    expect(formatMixer(parseMixer("gdn(2/4x32/32k4)"))).toBe("gdn(2/4x32)");
    expect(formatMixer(parseMixer("gdn.conv(4x32k4)"))).toBe("gdn.conv(4x32)");
  });

  it.each([
    ["gdn", "write key heads/value heads x head size"],
    ["gdn(8x128)", "write key heads/value heads x head size"],
    ["gdn.conv", "write heads x head size"],
    ["gdn.conv(8/8x128)", "write heads x head size"],
    ["gdn(3/4x32)", "4 value heads cannot share 3 key heads evenly"],
    ["gdn(2/2x4)", "at least 8"],
    ["gdn(2/2x32k1)", "at least 2"],
  ])("refuses %s", (token, message) => {
    expect(() => parseNotation(`v64 d32 f64 : ${token}`)).toThrow(message);
  });
});

it("writes the keys of recurrent mixers only into files that have such layers", () => {
  const keys = (notation: string) =>
    lower(parseNotation(notation), { quantization: "f32" }).plan.toString("latin1");
  expect(keys("v64 d32 f64 h2/1x16 : c3 s8")).not.toContain("edgefront.ssm.");
  const conv = keys("v64 d32 f64 : gdn.conv(2x16) c3");
  expect(conv).toContain("edgefront.ssm.inner_size");
  expect(conv).not.toContain("edgefront.ssm.state_size");
  expect(keys("v64 d32 f64 : gdn(1/2x16) c3")).toContain("edgefront.ssm.state_size");
});

it("keeps the width of values relative to the model's in a proxy, and the shape of heads where it is large", () => {
  const proxy = (token: string, width: number) => {
    const config = { width, headDim: 16, context: 1024 };
    const layout = proxyLayout(parseNotation(`v64 d1024 f64 : ${token}`), config, { vocab: 64, length: 32 });
    return formatMixer(layout.layers[0]!.mixer);
  };
  expect(proxy("gdn(8/8x128)", 256)).toBe("gdn(8/8x32)");
  expect(proxy("gdn(16/16x64)", 256)).toBe("gdn(16/16x16)");
  expect(proxy("gdn(8/16x128k3)", 256)).toBe("gdn(8/16x32k3)");
  expect(proxy("gdn(8/8x128)", 64)).toBe("gdn(8/8x8)");
  expect(proxy("gdn(4/4x256/512)", 128)).toBe("gdn(4/4x32/64)");
  expect(proxy("gdn.conv(8x128)", 32)).toBe("gdn.conv(4x8)");
});

it("is varied in a space by heads, head sizes, taps and form, at one parameter budget", () => {
  const mixers = ["gdn(8/8x16)", "gdn(4/4x32)", "gdn(2/4x16/32k2)", "gdn.conv(8x16)", "g"];
  const space = new Space(
    spaceSchema.parse({ vocab: 256, width: 128, depth: 6, mixers, heads: ["4/2x32"], parameters: "1.5M" }),
  );
  space.requireLayouts();
  const rng = createRng(1);
  const seen = new Set<string>();
  const first = space.realize(space.sampleGenome(rng));
  if (!first.ok) throw new Error(first.reason);
  let { layout } = first;
  for (let n = 0; n < 200; n++) {
    layout = mutate(space, layout, rng)?.candidate ?? layout;
    expect(Math.abs(parameterCount(layout) - 1.5e6) / 1.5e6).toBeLessThan(0.01);
    for (const { mixer } of layout.layers) seen.add(formatMixer(mixer));
  }
  expect([...seen].sort()).toEqual([...mixers.slice(0, 4), "g(4/2x32)"].sort());
});
