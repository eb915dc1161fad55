// Dominance, archive, sorting, budgets and the random source.
import { describe, expect, it } from "vitest";
import { type Budget, budgetSchema } from "../../search/budgets.ts";
import { judge } from "../../search/judge.ts";
import {
  crowdingDistance,
  dominates,
  nonDominated,
  nonDominatedSort,
  orient,
  ParetoArchive,
} from "../../search/pareto.ts";
import { createRng, normal } from "../../search/rng.ts";

const objectives = [
  { name: "tps", direction: "max", unit: "tok/s" },
  { name: "bytes", direction: "min", unit: "B" },
] as const;

describe("pareto", () => {
  it("turns every objective so that smaller is better, and refuses what was not measured", () => {
    expect(orient({ tps: 5, bytes: 7, other: 1 }, objectives)).toEqual([-5, 7]);
    expect(() => orient({ tps: 5 }, objectives)).toThrow(/bytes/);
    expect(() => orient({ tps: Number.NaN, bytes: 1 }, objectives)).toThrow(/tps/);
    expect(() => orient({ tps: 1, bytes: Number.POSITIVE_INFINITY }, objectives)).toThrow(/bytes/);
  });

  it("agrees with the definition on random sets, whatever the order of insertion", () => {
    const rng = createRng(7);
    for (let n = 0; n < 50; n++) {
      const vectors = Array.from({ length: 40 }, () => [rng.below(6), rng.below(6), rng.below(6)]);
      const expected = vectors.flatMap((v, i) => (vectors.some((other) => dominates(other, v)) ? [] : [i]));
      expect(nonDominated(vectors)).toEqual(expected);
      const archive = new ParetoArchive<number>();
      for (const index of vectors.map((_, i) => i).reverse()) archive.insert(vectors[index]!, index);
      expect(archive.entries.map(({ item }) => item).sort((a, b) => a - b)).toEqual(expected);
    }
  });

  it("sorts into fronts: each dominated by the one before only", () => {
    const vectors = [
      [2, 2],
      [1, 1],
      [0, 3],
      [3, 3],
      [1, 1],
    ];
    expect(nonDominatedSort(vectors)).toEqual([[1, 2, 4], [0], [3]]);
    expect(nonDominatedSort([])).toEqual([]);
  });

  it("gives the ends of a front infinite distance, and the lonely more than the crowded", () => {
    const distance = crowdingDistance([
      [0, 10],
      [1, 9],
      [2, 8],
      [8, 2],
      [10, 0],
    ]);
    expect(distance[0]).toBe(Number.POSITIVE_INFINITY);
    expect(distance[4]).toBe(Number.POSITIVE_INFINITY);
    expect(distance[3]!).toBeGreaterThan(distance[1]!);
  });

  it("refuses values that are not finite", () => {
    expect(() => new ParetoArchive<null>().insert([0, Number.NaN], null)).toThrow(RangeError);
  });

  it("finds the front of 1,000,000 vectors in a second", () => {
    const rng = createRng(3);
    const vectors = Array.from({ length: 1_000_000 }, () => [rng.next(), rng.next()]);
    const started = performance.now();
    const front = nonDominated(vectors);
    const milliseconds = performance.now() - started;
    console.log(`front of 1,000,000 vectors (${front.length} points) in ${milliseconds.toFixed(0)} ms`);
    expect(milliseconds).toBeLessThan(1000);
  });
});

describe("budgets", () => {
  const budgets: Budget[] = [
    { metric: "ttft", max: 200 },
    { metric: "recall", min: 0.5 },
  ];
  it("is feasible on the bound, infeasible with every violation and its relative size beyond it", () => {
    expect(judge(budgets, { ttft: 200, recall: 0.5 })).toEqual({ state: "feasible" });
    const verdict = judge(budgets, { ttft: 300, recall: 0.25 });
    expect(verdict).toMatchObject({ state: "infeasible", total: 1 });
    expect(
      verdict.state === "infeasible" && verdict.violations.map((v) => [v.metric, v.limit, v.relative]),
    ).toEqual([
      ["ttft", "max", 0.5],
      ["recall", "min", 0.5],
    ]);
  });
  it("guesses nothing: unmeasured is said, unless a violation has decided already", () => {
    expect(judge(budgets, { recall: 0.9 })).toEqual({ state: "unmeasured", missing: ["ttft"] });
    expect(judge(budgets, { recall: 0.1 }).state).toBe("infeasible");
  });
  it("refuses a budget without a bound, and one that nothing can meet", () => {
    expect(budgetSchema.safeParse({ metric: "ttft" }).success).toBe(false);
    expect(budgetSchema.safeParse({ metric: "ttft", min: 2, max: 1 }).success).toBe(false);
  });
});

describe("rng", () => {
  it("continues from a saved state, through JSON", () => {
    const rng = createRng(5);
    for (let n = 0; n < 100; n++) rng.next();
    const state = JSON.parse(JSON.stringify(rng.save()));
    const expected = Array.from({ length: 50 }, () => rng.next());
    const other = createRng(6);
    other.restore(state);
    expect(Array.from({ length: 50 }, () => other.next())).toEqual(expected);
  });
  it("is uniform: mean, variance and a chi-square over 16 bins of 100,000 draws; neighbouring seeds are unrelated", () => {
    for (const seed of [0, 1, 2, 1e9, -1, 0.5]) {
      const rng = createRng(seed);
      const bins = new Array<number>(16).fill(0);
      for (let n = 0; n < 100_000; n++) bins[rng.below(16)]!++;
      const chi = bins.reduce((sum, count) => sum + (count - 6250) ** 2 / 6250, 0);
      expect(chi, `seed ${seed}`).toBeLessThan(37.7); // 0.1% of 15 degrees of freedom
    }
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => createRng(seed).next()));
    expect(firsts.size).toBe(1000);
  });
  it("draws normals of mean 0 and variance 1", () => {
    const rng = createRng(1);
    const draws = Array.from({ length: 50_000 }, () => normal(rng));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    const variance = draws.reduce((a, b) => a + b * b, 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
  });
  it("refuses ranges that hold nothing", () => {
    expect(() => createRng(1).below(0)).toThrow(RangeError);
    expect(() => createRng(Number.NaN)).toThrow(RangeError);
  });
});
