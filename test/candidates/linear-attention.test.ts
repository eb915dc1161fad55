// Linear attention, gated linear attention and Kimi Delta Attention: counts against their formulas, notation,
// metadata, proxies, and their place in a space. operators.test.ts runs the contract of every operator.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { formatMixer, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { countElements } from "../../candidates/ops/operator.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";

const D = 1024;

// lin: 4d^2. gla: 2dK + 2dV + 16d + 16K + K + dv + Vd. kda: 4dq + 3kq + 2(d hd + hd q) + dH + q + H + hd.
// kda.conv: 2dq + kq + d hd + hd q + hd. A divisor is read and added to in each head of lin.
it.each([
  ["lin(16x64)", 4_194_304, 16 * 64 * 65, 4 * 65_536 + 3 * 1024],
  ["gla(4x128/256)", 4_219_648, 131_072, 5 * 131_072],
  ["gla(8x64)", 2 * D * 1024 + 16 * D + 17 * 512 + 64 + 512 * D, 8 * 64 * 64, 5 * 8 * 64 * 64],
  ["kda(8x128)", 4_740_232, 140_288, 7 * 131_072 + 2 * 4 * 3072],
  [
    "kda(4x64k3)",
    4 * D * 256 + 9 * 256 + 2 * (D * 64 + 64 * 256) + 4 * D + 256 + 4 + 64,
    4 * 64 * 64 + 2 * 768,
    7 * 4 * 64 * 64 + 2 * 3 * 768,
  ],
  ["kda.conv(8x128)", 2 * D * D + 4 * D + 2 * 128 * D + 128, 3 * D, 8 * D],
])(
  "%s has %i parameters, a state of %i elements and %i FLOPs per token",
  (token, parameters, state, flops) => {
    const mixer = parseMixer(token);
    const operator = operatorOf(mixer);
    expect(countElements(operator.tensors(mixer, D, "blk.0"))).toBe(parameters);
    const moved = { kv: 0, recurrent: state };
    for (const context of [1, 100_000]) {
      expect(operator.state(mixer, D, context)).toEqual(moved);
      expect(operator.decode(mixer, D, context)).toEqual({ flops, reads: moved, writes: moved });
    }
    expect(operator.prefillFlops(mixer, D, 10)).toBe(10 * flops);
    const layout = parseNotation(`v64 d1024 f32 : ${token}`);
    expect(staticCost(layout, { context: 4096, quantization: "q4_0" }).stateBytes).toBe(4 * state);
  },
);

describe("notation", () => {
  it.each([
    ["lin(16x64)", { op: "lin", heads: 16, headDim: 64 }, "lin(16x64)"],
    ["gla(4x128/256)", { op: "gla", heads: 4, keyDim: 128, valueDim: 256 }, "gla(4x128/256)"],
    ["gla(4x64/64)", { op: "gla", heads: 4, keyDim: 64, valueDim: 64 }, "gla(4x64)"],
    ["kda(8x128k4)", { op: "kda", heads: 8, headDim: 128, kernel: 4 }, "kda(8x128)"],
    ["kda.conv(8x128k3)", { op: "kda.conv", heads: 8, headDim: 128, kernel: 3 }, "kda.conv(8x128k3)"],
  ])("reads %s", (token, spec, canonical) => {
    expect(parseMixer(token)).toEqual(spec);
    expect(formatMixer(parseMixer(token))).toBe(canonical);
  });

  it.each([
    ["lin", "write heads x head size, e.g. lin(16x64)"],
    ["lin(16x64k4)", "write heads x head size"],
    ["gla(4)", "write heads x size of keys/size of values"],
    ["kda(8/8x128)", "write heads x head size, e.g. kda(8x128)"],
    ["kda.conv", "e.g. kda.conv(8x128)"],
    ["lin(2x4)", "at least 8"],
    ["kda(2x32k9)", "at most 8"],
  ])("refuses %s", (token, message) => {
    expect(() => parseNotation(`v64 d32 f64 : ${token}`)).toThrow(message);
  });
});

it("writes only the keys that a mixer has", () => {
  const keys = (token: string) => {
    const plan = lower(parseNotation(`v64 d32 f64 : ${token} c3`), { quantization: "f32" }).plan;
    return [...plan.toString("latin1").matchAll(/edgefront\.ssm\.(\w+)/g)].map(([, key]) => key).sort();
  };
  expect(keys("lin(2x16)")).toEqual(["inner_size", "time_step_rank"]);
  expect(keys("gla(2x16)")).toEqual(["inner_size", "state_size", "time_step_rank"]);
  expect(keys("kda(2x16)")).toEqual(["conv_kernel", "inner_size", "time_step_rank"]);
  expect(keys("kda.conv(2x16)")).toEqual(["conv_kernel", "inner_size", "time_step_rank"]);
});

it("keeps matrices with short rows in F16 where others are quantised", () => {
  const { plan } = lower(parseNotation("v64 d32 f64 : gla(2x16) kda(2x32)"), { quantization: "q4_0" });
  const typeOf = (name: string) => {
    const at = plan.indexOf(name) + name.length;
    return plan.readUInt32LE(at + 4 + 8 * plan.readUInt32LE(at));
  };
  expect([typeOf("blk.0.ssm_f_a.weight"), typeOf("blk.0.ssm_f_b.weight")]).toEqual([2, 1]);
  expect([typeOf("blk.1.ssm_f_b.weight"), typeOf("blk.1.ssm_g_b.weight")]).toEqual([2, 2]);
});

it.each([
  ["lin(16x64)", 256, "lin(16x16)"],
  ["lin(16x64)", 64, "lin(8x8)"],
  ["gla(4x128/256)", 256, "gla(4x32/64)"],
  ["kda(8x128k3)", 256, "kda(8x32k3)"],
  ["kda.conv(8x128)", 32, "kda.conv(4x8)"],
])(
  "%s keeps the width of its heads relative to the model's in a proxy of width %i",
  (token, width, scaled) => {
    const config = { width, headDim: 16, context: 1024 };
    const layout = proxyLayout(parseNotation(`v64 d1024 f64 : ${token}`), config, { vocab: 64, length: 32 });
    expect(formatMixer(layout.layers[0]!.mixer)).toBe(scaled);
  },
);

it("is varied in a space by heads, head sizes and taps, at one parameter budget", () => {
  const mixers = ["lin(8x16)", "lin(4x32)", "gla(4x16/32)", "kda(8x16)", "kda(4x32k2)", "kda.conv(8x16)"];
  const space = new Space(
    spaceSchema.parse({ vocab: 256, width: 128, depth: 1, mixers, ffnMultiple: 8, parameters: "300K" }),
  );
  const layouts = [...space.enumerate()];
  expect(layouts.map(({ layers }) => formatMixer(layers[0]!.mixer)).sort()).toEqual([...mixers].sort());
  for (const layout of layouts) expect(Math.abs(parameterCount(layout) - 3e5) / 3e5).toBeLessThan(0.01);
});
