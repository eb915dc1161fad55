// Mamba-2 and its short convolution: exact counts, costs, options of the notation, impossible sizes, proxies.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatMixer, formatNotation, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";

const layoutOf = (token: string, width = 1024): Layout => parseNotation(`v64 d${width} f32 : ${token}`);
const WITHOUT_MIXER = 64 * 1024 + 3 * 1024 + 3 * 1024 * 32;
const mixerParameters = (token: string): number => parameterCount(layoutOf(token)) - WITHOUT_MIXER;

// d (2 di + 2 G N + H) + (k + 1)(di + 2 G N) + 3 H + di + di d, worked out apart.
it.each([
  ["m2", 6_600_032],
  ["m2(n64)", 6_468_320],
  ["m2(x128)", 6_583_600],
  ["m2(e1)", 3_431_728],
  ["m2(n64g8k2)", 7_384_160],
  ["m2.conv", 6_303_744],
  ["m2.conv(e1k8)", 3_155_968],
])("%s has exactly %i parameters at width 1024", (token, parameters) => {
  expect(mixerParameters(token)).toBe(parameters);
});

describe("costs", () => {
  it.each([
    ["m2", 269_056, 5 * 2048 * 128 + 8 * 2304],
    ["m2(n64)", 137_600, 5 * 2048 * 64 + 8 * 2176],
    ["m2.conv", 3 * 2048, 8 * 2048],
  ])("%s reads and writes its whole state for each token, at any context", (token, state, flops) => {
    const mixer = parseMixer(token);
    const operator = operatorOf(mixer);
    for (const context of [1, 100_000]) {
      const moved = { kv: 0, recurrent: state };
      expect(operator.decode(mixer, 1024, context)).toEqual({ flops, reads: moved, writes: moved });
      expect(operator.state(mixer, 1024, context)).toEqual(moved);
    }
    expect(operator.prefillFlops(mixer, 1024, 10)).toBe(10 * flops);
    const options = { context: 4096, quantization: "q4_0" } as const;
    expect(staticCost(layoutOf(token), options).stateBytes).toBe(4 * state);
    expect(staticCost(layoutOf(token), options).kvBytes).toBe(0);
  });
});

it("writes only the options that differ from the defaults", () => {
  for (const [text, canonical] of [
    ["m2(e2x64n128g1k4)", "m2"],
    ["m2(e2n64k4)", "m2(n64)"],
    ["m2(e1.5x32g2)", "m2(e1.5x32g2)"],
    ["m2.conv(e2k4)", "m2.conv"],
    ["m2.conv(e1)", "m2.conv(e1)"],
  ] as const)
    expect(formatMixer(parseMixer(text))).toBe(canonical);
  const layout = parseNotation("v64 d64 f32 h4/2x16 : m2(x16n8) g m2.conv m2");
  expect(formatNotation(layout)).toBe("v64 d64 f32 h4/2x16 : m2(x16n8) g m2.conv m2");
});

it.each([
  ["m2()", /"m2\(\)": the options in parentheses are e \(expand\), x \(headDim\).*e.g. m2\(e2x64n128g1k4\)/],
  ["m2(n64x32)", /in this order/],
  ["m2(16/8x64)", /options in parentheses/],
  ["m2.conv(n64)", /e \(expand\), k \(kernel\)/],
  ["m2(k9)", /kernel/],
  ["m2(n1.5)", /state/],
  ["m2(e1.3)", /expansion of 1\.3 gives 1331\.2 channels at width 1024/],
  ["m2(x96)", /2,048 channels \(2 x 1024\) do not divide into heads of 96/],
  ["m2(g5)", /32 heads do not divide into 5 groups/],
])("%s is refused", (token, message) => {
  expect(() => layoutOf(token)).toThrow(message);
});

it("the metadata has one value for each layer, 0 where there is no Mamba-2", () => {
  const text = lower(parseNotation("v64 d64 f32 h4/2x16 : m2(x16n8) g m2.conv"), {
    quantization: "f32",
  }).plan.toString("latin1");
  for (const key of ["conv_kernel", "inner_size", "state_size", "time_step_rank", "group_count"])
    expect(text).toContain(`edgefront.ssm.${key}`);
  const before = lower(parseNotation("v64 d64 f32 h4/2x16 : c3 g"), { quantization: "f32" }).plan;
  expect(before.toString("latin1")).not.toContain("ssm");
});

it("options are axes of a space", () => {
  const space = new Space(
    spaceSchema.parse({
      vocab: 64,
      width: 64,
      depth: 2,
      ffn: 32,
      mixers: ["m2(x16)", "m2(x16n16)", "m2(e1x16)", "m2.conv"],
    }),
  );
  expect([...space.enumerate()].length).toBe(16);
  expect(
    () => new Space(spaceSchema.parse({ vocab: 64, width: 64, depth: 2, ffn: 32, mixers: ["m2(x48)"] })),
  ).toThrow(/impossible mixer m2\(x48\)/);
});

it.each([
  ["m2", "m2(x16n32)"],
  ["m2(e1x128n128g2)", "m2(e1x16n16g2)"],
  ["m2(e1.5x32g3)", "m2(e1.5x16n64g3)"],
  ["m2.conv(e1.5)", "m2.conv(e1.5)"],
])("%s keeps expansion and the ratio of state to head in a proxy", (token, scaled) => {
  const proxy = proxyLayout(layoutOf(token), { width: 64, headDim: 16 }, { vocab: 64, length: 32 });
  expect(formatMixer(proxy.layers[0]!.mixer)).toBe(scaled);
});
