// Mamba and its short convolution: exact counts, costs, options of the notation, impossible sizes, proxies.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatMixer, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { proxyLayout } from "../../profilers/proxy.ts";

const layoutOf = (token: string, width = 1024): Layout => parseNotation(`v64 d${width} f32 : ${token}`);
const WITHOUT_MIXER = 64 * 1024 + 3 * 1024 + 3 * 1024 * 32;

// 2 d di + (k + 1) di + di (r + 2 N) + r di + di + di N + di + di d, worked out apart.
it.each([
  ["m1", 6_666_240],
  ["m1(e1)", 3_333_120],
  ["m1(n1r1k2)", 6_311_936],
  ["m1.conv", 6_301_696],
  ["m1.conv(e1k8)", 3_154_944],
])("%s has exactly %i parameters at width 1024", (token, parameters) => {
  expect(parameterCount(layoutOf(token)) - WITHOUT_MIXER).toBe(parameters);
});

describe("costs", () => {
  it.each([
    ["m1", 2048 * 19, 8 * 2048 + 6 * 2048 * 16 + 4 * 2048 * (64 + 16)],
    ["m1.conv", 2048 * 3, 8 * 2048],
  ])("%s reads and writes its whole state for each token, at any context", (token, state, flops) => {
    const mixer = parseMixer(token);
    const operator = operatorOf(mixer);
    for (const context of [1, 100_000]) {
      const moved = { kv: 0, recurrent: state };
      expect(operator.decode(mixer, 1024, context)).toEqual({ flops, reads: moved, writes: moved });
      expect(operator.state(mixer, 1024, context)).toEqual(moved);
    }
    expect(operator.prefillFlops(mixer, 1024, 10)).toBe(10 * flops);
  });
});

it("keeps its small products in F32, whatever the quantisation", () => {
  const { tensors } = lower(layoutOf("m1"), { quantization: "q4_0" });
  // ggml numbers F32 as 0 and Q4_0 as 2.
  const typeOf = (name: string) => tensors.find((tensor) => tensor.name === `blk.0.${name}`)!.type;
  expect(typeOf("ssm_in.weight")).toBe(2);
  for (const name of ["ssm_x.weight", "ssm_dt.weight", "ssm_a"]) expect(typeOf(name)).toBe(0);
  expect(staticCost(layoutOf("m1"), { context: 1, quantization: "q4_0" }).kvBytes).toBe(0);
});

it("writes only the options that differ from the defaults", () => {
  for (const [text, canonical] of [
    ["m1(e2n16k4)", "m1"],
    ["m1(r64)", "m1(r64)"],
    ["m1(e1.5n8k2)", "m1(e1.5n8k2)"],
    ["m1.conv(e2k4)", "m1.conv"],
  ] as const)
    expect(formatMixer(parseMixer(text))).toBe(canonical);
});

it.each([
  [
    "m1()",
    /"m1\(\)": the options in parentheses are e \(expand\), n \(state\), r \(rank\), k \(kernel\).*e.g. m1\(e2n16r64k4\)/,
  ],
  ["m1(n16e2)", /in this order/],
  ["m1.conv(n16)", /e \(expand\), k \(kernel\)/],
  ["m1(k9)", /kernel/],
  ["m1(e1.3)", /expansion of 1\.3 gives 1331\.2 channels at width 1024/],
])("%s is refused", (token, message) => {
  expect(() => layoutOf(token)).toThrow(message);
});

it.each([
  ["m1", "m1"],
  ["m1(e1.5n8r32)", "m1(e1.5n8r2)"],
  ["m1.conv(e1.5)", "m1.conv(e1.5)"],
])("%s keeps expansion and state in a proxy, and the ratio of its rank", (token, scaled) => {
  const proxy = proxyLayout(layoutOf(token), { width: 64, headDim: 16 }, { vocab: 64, length: 32 });
  expect(formatMixer(proxy.layers[0]!.mixer)).toBe(scaled);
});
