// The statistics of pair comparisons: stray pairs, random orders and planned looks.
import { describe, expect, it } from "vitest";
import { pairsNeeded, plannedLooks } from "../../profilers/statistics/looks.ts";
import { drawOrders, type PairedDifference, pairedShift } from "../../profilers/statistics/paired.ts";
import { strayPairs } from "../../profilers/statistics/stray.ts";
import { createRng, normal } from "../../search/rng.ts";

describe("stray pairs", () => {
  /**
   * Levels of 20 pairs with 2% noise per run. `steps`: a fall of a fifth inside these pairs, of which half
   * appears in their level.
   */
  const levels = (seed: number, steps: readonly number[], rise = 0): number[] => {
    const rng = createRng(seed);
    let level = 0;
    return Array.from({ length: 20 }, (_, i) => {
      const fall = steps.includes(i) ? -0.22 : 0;
      const seen = level + fall / 2 + 0.014 * normal(rng);
      level += fall + rise;
      return seen;
    });
  };
  const seeds = Array.from({ length: 200 }, (_, seed) => seed);
  const shareFound = (of: (seed: number) => number[], places: readonly number[]): number =>
    seeds.flatMap((seed) => places.filter((place) => strayPairs(of(seed)).has(place))).length /
    (seeds.length * places.length);

  it("are those with a step or a burst inside, also while the level rises", () => {
    expect(shareFound((seed) => levels(seed, [5, 13]), [5, 13])).toBeGreaterThan(0.9);
    expect(shareFound((seed) => levels(seed, [4, 9, 14], 0.03), [4, 9, 14])).toBeGreaterThan(0.8);
    const burst = (seed: number) => levels(seed, []).map((level, i) => (i === 7 ? level + 0.2 : level));
    expect(shareFound(burst, [7])).toBeGreaterThan(0.95);
  });
  it("are not those beside a step between two pairs, and few where nothing steps", () => {
    const between = (seed: number) => levels(seed, []).map((level, i) => (i < 10 ? level : level + 0.2));
    expect(shareFound(between, [9, 10])).toBeLessThan(0.15);
    const every = Array.from({ length: 20 }, (_, i) => i);
    expect(shareFound((seed) => levels(seed, []), every)).toBeLessThan(0.05);
    expect(strayPairs([]).size).toBe(0);
    expect(strayPairs(Array.from({ length: 20 }, () => 3)).size).toBe(0);
  });
  it("are left out of the judgement, whichever side was first", () => {
    const rng = createRng(2);
    const steps = [3, 8, 12, 17];
    const pairs = drawOrders(20, (n) => rng.below(n)).map((order, i): PairedDifference => {
      const later = 0.002 * normal(rng) + (steps.includes(i) ? -0.5 : 0);
      const level = steps.filter((step) => step < i).length * -0.5 + (steps.includes(i) ? -0.25 : 0);
      return {
        ...order,
        level: level + 0.001 * normal(rng),
        difference: 0.01 + (order.first === "a" ? later : -later),
      };
    });
    const flipped = pairs.map(
      (pair) => ({ ...pair, first: pair.first === "a" ? "b" : "a", difference: -pair.difference }) as const,
    );
    const stray = strayPairs(pairs.map(({ level }) => level!));
    expect([...stray]).toEqual(expect.arrayContaining(steps));
    const rest = pairs.filter((_, i) => !stray.has(i)).map(({ level: _, ...pair }) => pair);
    expect(pairedShift(pairs)).toEqual(pairedShift(rest));
    expect(pairedShift(flipped).estimate).toBeCloseTo(-pairedShift(pairs).estimate, 12);
    // With few pairs, none can be excluded.
    const few = pairs.slice(0, 12).map(({ level: _, ...pair }) => pair);
    expect(pairedShift(pairs.slice(0, 12))).toEqual(pairedShift(few));
  });
});

describe("orders of pairs", () => {
  it.each([1, 10, 11, 40, 41, 97, 1000])("are as many of each as can be, for %i pairs", (pairs) => {
    const orders = drawOrders(pairs, createRng(pairs).below);
    expect(orders).toHaveLength(pairs);
    const blocks = new Map<number, number[]>();
    for (const { first, block } of orders)
      blocks.set(block, [...(blocks.get(block) ?? []), first === "a" ? 1 : -1]);
    for (const block of blocks.values()) {
      expect(block.length).toBeLessThanOrEqual(40);
      expect(Math.abs(block.reduce((sum, side) => sum + side, 0))).toBe(block.length % 2);
    }
  });
});

describe("planned looks", () => {
  const sizes = [10, 11, 12, 13, 14, 15, 16, 17, 20, 21, 29, 40, 41, 100, 1000];

  it.each(sizes)("at %i pairs end there, and use less than the error rate with all extensions", (pairs) => {
    for (const stages of [[pairs], [pairs, 1], [pairs, 20, 7], [pairs, pairs, pairs, pairs]]) {
      const looks = plannedLooks(stages, 0.05);
      const at = looks.map((look) => look.pairs);
      expect(at).toEqual([...new Set(at)].sort((x, y) => x - y));
      let end = 0;
      for (const stage of stages) {
        end += stage;
        expect(at).toContain(end);
      }
      expect(at.at(-1)).toBe(end);
      expect(looks.every(({ errorRate }) => errorRate > 0)).toBe(true);
      expect(looks.reduce((sum, { errorRate }) => sum + errorRate, 0)).toBeLessThan(0.05);
    }
  });

  it("do not change when a comparison is extended", () => {
    const before = plannedLooks([20], 0.05);
    expect(before.map(({ pairs }) => pairs)).toEqual([12, 16, 20]);
    expect(plannedLooks([20, 30], 0.05).slice(0, 3)).toEqual(before);
  });

  it("need more pairs for smaller differences, more noise and more metrics", () => {
    const target = { pairSd: 0.05, difference: 0.05, metrics: 3, errorRate: 0.05 };
    const needed = pairsNeeded(target);
    expect(needed).toBe(20);
    expect(pairsNeeded({ ...target, difference: 0.02 })).toBeGreaterThan(4 * needed);
    expect(pairsNeeded({ ...target, pairSd: 0.1 })).toBeGreaterThan(2.5 * needed);
    expect(pairsNeeded({ ...target, metrics: 7 })).toBeGreaterThan(needed);
    expect(pairsNeeded({ ...target, pairSd: 0 })).toBe(12);
  });
});
