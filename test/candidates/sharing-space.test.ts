// Spaces whose layouts may repeat their layers, and may read the keys and values of earlier layers.
import { describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { blocksOf, kvSources } from "../../candidates/sharing.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import { layoutFeatures } from "../../search/features.ts";
import { crossover } from "../../search/operators/crossover.ts";
import { mutate } from "../../search/operators/mutate.ts";
import { createRng } from "../../search/rng.ts";

describe("a space with sharing", () => {
  const space = new Space(
    spaceSchema.parse({
      ...{ vocab: 512, width: 64, depth: 4, heads: ["4/2x16"], mixers: ["g<", "g", "c3"] },
      ...{ parameters: "150K", ffnMultiple: 8, sharing: ["none", "pairs", "loop"] },
    }),
  );

  it("samples and enumerates every way, and each layout meets the budget by its stored parameters", () => {
    const rng = createRng(1);
    const seen = new Set<string>();
    for (let n = 0; n < 200; n++) {
      const realized = space.realize(space.sampleGenome(rng));
      if (!realized.ok) continue;
      const { sharing, blocks } = blocksOf(realized.layout.layers);
      seen.add(sharing);
      expect(blocks.length).toBe(4);
      expect(Math.abs(parameterCount(realized.layout) / 150_000 - 1)).toBeLessThan(0.01);
      expect(space.realize(space.genomeOf(realized.layout))).toEqual(realized);
    }
    expect([...seen].sort()).toEqual(["loop", "none", "pairs"]);
    const all = [...space.enumerate()];
    expect(all.length).toBeLessThanOrEqual(space.size());
    expect(new Set(all.map(layoutId)).size).toBe(all.length);
  });

  it("holds layouts, although its first mixer reads the keys and values of another", () => {
    expect(() => space.requireLayouts()).not.toThrow();
  });

  it("proposes no layer without the keys and values that it reads, and changes the sharing", () => {
    const rng = createRng(2);
    let layout = parseNotation("v512 d64 f256 h4/2x16 : g g< c3 c3");
    const operators = new Set<string | null>();
    for (let n = 0; n < 200; n++) {
      const varied = mutate(space, layout, rng);
      if (varied === null) continue;
      operators.add(varied.operator);
      layout = varied.candidate;
      expect(kvSources(layout.layers)).not.toContain(null);
    }
    expect(operators).toContain("sharing");
  });

  it("refuses depths that cannot be doubled", () => {
    const config = { vocab: 512, width: 64, depth: 300, mixers: ["c3"], ffn: 64, sharing: "loop" };
    expect(() => new Space(spaceSchema.parse(config))).toThrow("at most 512 layers");
  });

  it("tells models the ways apart", () => {
    const { groups, features } = layoutFeatures(space);
    const rows = ["g c3 g c3", "2*[g c3 g c3]", "2*g 2*c3 2*g 2*c3"].map((layers) =>
      features(parseNotation(`v512 d64 f256 h4/2x16 : ${layers}`)),
    );
    for (const row of rows) expect(row.length).toBe(groups.length);
    expect(new Set(rows.map((row) => row.slice(10, 13).join()))).toEqual(
      new Set(["1,0,0", "0,1,0", "0,0,1"]),
    );
  });

  it("gives a child the sharing of one parent", () => {
    const rng = createRng(3);
    const [a, b] = ["2*[c3 c3 g c3]", "2*g 2*c3 2*g 2*c3"].map((layers) =>
      space.realize(space.genomeOf(parseNotation(`v512 d64 f256 h4/2x16 : ${layers}`))),
    );
    if (!a!.ok || !b!.ok) throw new Error("the parents are in the space");
    const child = crossover(space, a!.layout, b!.layout, rng);
    expect(blocksOf(child!.candidate.layers).sharing).toBe("loop");
  });
});
