// The purpose of NSGA-II: better fronts than random search on layouts, infeasible ones kept apart, and fast
// bookkeeping.
import { describe, expect, it } from "vitest";
import { isGlobalAttention, type Layout, layoutId } from "../../candidates/layout.ts";
import { hypervolume } from "../../search/hypervolume.ts";
import { orient } from "../../search/pareto.ts";
import type { Outcome } from "../../search/strategy.ts";
import { createStrategy, type StrategyName } from "../../search/strategy-registry.ts";
import { ask, completeOutcome, middleSpace, objectives, toyMetrics } from "./problems.ts";

function run(name: StrategyName, seed: number, count: number, judge = completeOutcome): Outcome[] {
  const strategy = createStrategy(name, { space: middleSpace, objectives, seed, options: {}, initial: [] });
  const outcomes: Outcome[] = [];
  while (outcomes.length < count) {
    const told = ask(strategy, count - outcomes.length).map(judge);
    strategy.tell(told);
    outcomes.push(...told);
  }
  return outcomes;
}

const vectors = (outcomes: readonly Outcome[]) => outcomes.map(({ metrics }) => orient(metrics, objectives));
const everything = vectors([...middleSpace.enumerate()].map(completeOutcome));
const reference = [0, 1].map((m) => Math.max(...everything.map((vector) => vector[m]!)));
const best = hypervolume(everything, reference);

describe("nsga2", () => {
  it("finds more hypervolume than random search after 200 of 2916 layouts, over 10 seeds", () => {
    const seeds = Array.from({ length: 10 }, (_, seed) => seed + 1);
    const found = (name: StrategyName): number[] =>
      seeds.map((seed) => hypervolume(vectors(run(name, seed, 200)), reference) / best);
    const [ours, random] = [found("nsga2"), found("random")];
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    console.log(
      `share of the best hypervolume: nsga2 ${mean(ours).toFixed(3)}, random ${mean(random).toFixed(3)}`,
    );
    expect(mean(ours)).toBeGreaterThan(mean(random) + 0.05);
    expect(ours.filter((value, n) => value > random[n]!).length).toBeGreaterThanOrEqual(9);
  });

  it("finds its way out of an infeasible region by the violations alone", () => {
    // Feasible: full attention in at most one layer and width 64, about 1 in 6 random draws.
    const judge = (layout: Layout): Outcome => {
      const attention = layout.layers.filter(isGlobalAttention).length;
      const violation = Math.max(0, attention - 1) + Math.max(0, layout.width - 64) / 64;
      const metrics = toyMetrics(layout);
      const id = layoutId(layout);
      return violation > 0
        ? { id, layout, state: "infeasible", metrics, violation }
        : { id, layout, state: "complete", metrics };
    };
    const share = (name: StrategyName): number =>
      run(name, 4, 200, judge).filter(({ state }) => state === "complete").length / 200;
    expect(share("nsga2")).toBeGreaterThan(2 * share("random"));
  });

  it("takes failed trials neither for parents nor for bad ones: nothing of them is in its state", () => {
    const strategy = createStrategy("nsga2", {
      space: middleSpace,
      objectives,
      seed: 1,
      options: {},
      initial: [],
    });
    const failed: string[] = [];
    for (let n = 0; n < 5; n++) {
      const told = ask(strategy, 20).map((layout, place): Outcome => {
        if (place % 2 === 0) return completeOutcome(layout);
        failed.push(layoutId(layout));
        return { id: layoutId(layout), layout, state: "failed", metrics: {} };
      });
      strategy.tell(told);
    }
    ask(strategy, 1);
    const parents = (strategy.save() as { breeder: Outcome[] }).breeder.map(({ id }) => id);
    expect(parents).toHaveLength(20);
    expect(parents.filter((id) => failed.includes(id))).toEqual([]);
  });

  it("with three objectives drops the twin of a good trial, not both: the least hypervolume goes, one at a time", () => {
    const names = ["a", "b", "c"];
    const strategy = createStrategy("nsga2", {
      space: middleSpace,
      objectives: names.map((name) => ({ name, direction: "min", unit: "" })),
      seed: 1,
      options: { population: 5 },
      initial: [],
    });
    const layouts = [...middleSpace.enumerate()].slice(0, 7);
    const values = [
      [0, 0.9, 0.9],
      [0.9, 0, 0.9],
      [0.9, 0.9, 0],
      // In the middle, close only to each other.
      [0.3, 0.3, 0.3],
      [0.3001, 0.3001, 0.2999],
      // Close to the second and the third.
      [0.89, 0.1, 0.85],
      [0.85, 0.89, 0.1],
    ];
    strategy.tell(
      values.map((row, n): Outcome => {
        const metrics = Object.fromEntries(names.map((name, m) => [name, row[m]!]));
        return { id: layoutId(layouts[n]!), layout: layouts[n]!, state: "complete", metrics };
      }),
    );
    ask(strategy, 1);
    const kept = new Set((strategy.save() as { breeder: Outcome[] }).breeder.map(({ id }) => id));
    const at = layouts.map((layout) => kept.has(layoutId(layout)));
    expect(kept.size).toBe(5);
    expect([at[3], at[4]].filter(Boolean)).toHaveLength(1);
  });
});
