// The CfC cell: exact counts, costs, notation.
import { expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatNotation, parseMixer, parseNotation } from "../../candidates/notation.ts";
import { operatorOf, partsOf, traitsOf } from "../../candidates/ops/operator-registry.ts";

const layoutOf = (token: string, width: number): Layout => parseNotation(`v64 d${width} f32 : ${token}`);

it.each([64, 256])("the cell has 6 d^2 + 5 d parameters at width %i, and its output d^2", (d) => {
  const withoutMixer = 64 * d + 3 * d + 3 * d * 32;
  expect(parameterCount(layoutOf("cfc", d)) - withoutMixer).toBe(6 * d * d + 5 * d + d * d);
});

it("reads and writes its state, of the model's width, for each token", () => {
  const mixer = parseMixer("cfc");
  const moved = { kv: 0, recurrent: 256 };
  const flops = 10 * 256 * 256 + 20 * 256;
  for (const context of [1, 100_000])
    expect(operatorOf(mixer).decode(mixer, 256, context)).toEqual({ flops, reads: moved, writes: moved });
  expect(operatorOf(mixer).prefillFlops(mixer, 256, 10)).toBe(10 * flops);
});

it("says that it is slow, and takes no options", () => {
  expect(operatorOf(partsOf(parseMixer("cfc"))[0]!).title).toMatch(/slow/);
  expect(traitsOf(parseMixer("cfc")).sequential).toBe(true);
  expect(() => layoutOf("cfc(64)", 64)).toThrow(/"cfc\(64\)": cfc has no options/);
  expect(formatNotation(layoutOf("cfc c3 cfc", 64))).toBe("v64 d64 f32 : cfc c3 cfc");
});

it("keeps matrices that read the cell's own values in F32", () => {
  const { tensors } = lower(layoutOf("cfc", 64), { quantization: "q4_0" });
  const quantised = tensors.filter(({ name, type }) => name.includes("cfc") && type !== 0);
  expect(quantised.map(({ name }) => name)).toEqual(["blk.0.cfc.in.weight", "blk.0.cfc.out.weight"]);
});
