// The layouts on which compare:trainer compares both trainers.
import { expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { ffns, mixers } from "../../candidates/ops/operator-registry.ts";
import { pairsOf, trainerLayouts } from "../peers/trainer-layouts.ts";

const layouts = trainerLayouts.map((text) => parseNotation(`v64 ${text}`));

it("every two mixers are compared in one layout, and every FFN in some", () => {
  const met = new Set(
    layouts.flatMap(({ layers }) => pairsOf([...new Set(layers.map(({ mixer }) => mixer.op))])),
  );
  expect(pairsOf(mixers.map(({ name }) => name)).filter((two) => !met.has(two))).toEqual([]);
  const compared = new Set(layouts.flatMap(({ layers }) => layers.map(({ ffn }) => ffn.op)));
  expect([...compared].sort()).toEqual(ffns.map(({ name }) => name).sort());
});
