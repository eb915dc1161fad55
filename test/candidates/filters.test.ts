// Recursive filters in the gated block: exact counts, costs, notation, impossible sizes, proxies.
import { describe, expect, it } from "vitest";
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatMixer, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { proxyLayout } from "../../profilers/proxy.ts";

const layoutOf = (token: string, width = 1024): Layout => parseNotation(`v64 d${width} f32 : ${token}`);
const WITHOUT_MIXER = 64 * 1024 + 3 * 1024 + 3 * 1024 * 32;

// Four matrices of the block, and for each channel: 2N + 2 values of s4d and rtf, 3N + 2 of ls4.
it.each([
  ["s4d(64)", 4_194_304 + 130 * 1024],
  ["s4d(2)", 4_194_304 + 6 * 1024],
  ["rtf(16)", 4_194_304 + 34 * 1024],
  ["ls4(64)", 4_194_304 + 194 * 1024],
])("%s has exactly %i parameters at width 1024", (token, parameters) => {
  expect(parameterCount(layoutOf(token)) - WITHOUT_MIXER).toBe(parameters);
});

describe("costs", () => {
  it.each([
    ["s4d(64)", 64, 11 * 32 + 4],
    ["rtf(16)", 16, 4 * 16 + 4],
    ["ls4(6)", 6, 18 * 3 + 4],
    ["c3", 2, 2 * 3 + 2],
  ])("%s reads and writes its whole state for each token, at any context", (token, state, flops) => {
    const mixer = parseMixer(token);
    const operator = operatorOf(mixer);
    for (const context of [1, 100_000]) {
      const moved = { kv: 0, recurrent: state * 1024 };
      expect(operator.decode(mixer, 1024, context)).toEqual({
        flops: flops * 1024,
        reads: moved,
        writes: moved,
      });
      expect(operator.state(mixer, 1024, context)).toEqual(moved);
    }
    expect(operator.prefillFlops(mixer, 1024, 10)).toBe(10 * flops * 1024);
    expect(staticCost(layoutOf(token), { context: 4096, quantization: "q4_0" }).stateBytes).toBe(
      4 * state * 1024,
    );
  });
});

it.each([
  ["s4d", /"s4d" needs the number of state elements of a channel in parentheses, e\.g\. s4d\(64\)/],
  ["rtf()", /needs the number of state elements/],
  ["ls4(64k4)", /needs the number of state elements/],
  ["s4d(7)", /state/],
  ["rtf(257)", /state/],
])("%s is refused", (token, message) => {
  expect(() => layoutOf(token)).toThrow(message);
});

it("the projections have the names of the gated convolution, so a seed gives them equal weights", () => {
  const names = (token: string): readonly string[] =>
    lower(layoutOf(token, 32), { quantization: "f32" }).tensors.map(({ name }) => name);
  for (const token of ["s4d(4)", "rtf(4)", "ls4(4)"])
    expect(names(token)).toEqual(
      expect.arrayContaining(["blk.0.shortconv.in_proj.weight", "blk.0.shortconv.out_proj.weight"]),
    );
  expect(names("rtf(4)").filter((name) => name.includes("rtf"))).toEqual(
    ["a", "b", "slack", "h0"].map((name) => `blk.0.rtf.${name}`),
  );
});

it("the size of the state is an axis of a space, and does not change in a proxy", () => {
  const mixers = ["s4d(16)", "s4d(64)", "rtf(16)", "ls4(16)"];
  const space = new Space(spaceSchema.parse({ vocab: 64, width: 64, depth: 1, ffn: 32, mixers }));
  expect([...space.enumerate()].length).toBe(4);
  for (const token of mixers) {
    const proxy = proxyLayout(layoutOf(token), { width: 64, headDim: 16 }, { vocab: 64, length: 32 });
    expect(formatMixer(proxy.layers[0]!.mixer)).toBe(token);
  }
});
