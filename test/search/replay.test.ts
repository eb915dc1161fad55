// Strategies on recorded results: only records are proposed, each once, and a record of everything scores 1.
import { describe, expect, it } from "vitest";
import { layoutDomain } from "../../search/domain.ts";
import { referencePoint } from "../../search/hypervolume.ts";
import { orient } from "../../search/pareto.ts";
import { recordedDomain, replay } from "../../search/replay.ts";
import { createRng } from "../../search/rng.ts";
import { type StrategyEntry, strategies, strategyNames } from "../../search/strategy-registry.ts";
import { middleSpace, objectives, toyOutcome } from "./problems.ts";

const rng = createRng(4);
const space = layoutDomain(middleSpace);
const records = [
  ...new Map(
    Array.from({ length: 120 }, () => toyOutcome(space.sample(rng)!)).map((outcome) => [outcome.id, outcome]),
  ).values(),
];
const complete = records.filter(({ state }) => state === "complete");
const reference = referencePoint(complete.map(({ metrics }) => orient(metrics, objectives)));
const domain = recordedDomain(space, records);

describe.each(strategyNames)("a replay of %s", (name) => {
  const run = (seed: number, count?: number) => {
    const entry: StrategyEntry = strategies[name];
    const options = name === "model" ? { pool: 20, memory: 40 } : {};
    const strategy = entry.create({ domain, objectives, seed, options, initial: [] });
    return replay(strategy, records, domain.id, objectives, reference, count);
  };

  it("grows to the whole recorded front, each record told once, the same for the same seed", () => {
    const curve = run(1);
    expect(curve).toHaveLength(records.length);
    expect(curve.at(-1)).toBeCloseTo(1, 12);
    expect(curve.every((share, n) => n === 0 || share >= curve[n - 1]!)).toBe(true);
    expect(run(1, 30)).toEqual(curve.slice(0, 30));
  });
});

it("variation stays among the records and near its parent", () => {
  const ids = new Set(records.map(({ id }) => id));
  for (const { layout, id } of records.slice(0, 20)) {
    const varied = domain.mutate(layout, rng);
    expect(varied).not.toBeNull();
    expect(ids.has(space.id(varied!.candidate))).toBe(true);
    expect(space.id(varied!.candidate)).not.toBe(id);
  }
});
