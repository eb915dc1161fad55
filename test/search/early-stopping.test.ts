// Decisions at rungs, against handmade cases and against the definition by brute force.
import { describe, expect, it } from "vitest";
import { judgeRung, type RungEntry } from "../../search/early-stopping.ts";
import { dominates, nonDominatedSort } from "../../search/pareto.ts";
import { createRng } from "../../search/rng.ts";

const rule = { eta: 3, margin: 0.1, minimum: 4 };
const entries = (...vectors: number[][]): RungEntry[] => vectors.map((vector, trial) => ({ trial, vector }));
/** [latency, loss]: the loss is of unfinished training. */
const training = [false, true];
const judge = (own: number[], others: RungEntry[], options = {}) =>
  judgeRung({ trial: 99, vector: own }, others, training, { ...rule, ...options });

describe("a rung", () => {
  const reached = entries([1, 5], [2, 3], [3, 2], [4, 1], [2, 4]);

  it("stops what is beaten by more than the margin, and names the one that beats it most", () => {
    expect(judge([3, 4], reached)).toEqual({
      goesOn: false,
      why: "dominated",
      reached: 6,
      kept: 2,
      place: 6,
      against: 2,
    });
  });

  it("lets go on what is faster than all that learn better, or just behind them", () => {
    expect(judge([0.5, 9], reached)).toMatchObject({ goesOn: true, why: "close", against: null });
    // Dominated by [3, 2], by less than a tenth of the range of 4.
    expect(judge([3, 2.39], reached)).toMatchObject({ goesOn: true, why: "close" });
    expect(judge([3, 2.39], reached, { margin: 0.05 })).toMatchObject({ goesOn: false, against: 2 });
    // Equal latency and a loss that is no worse do not dominate; nor does lower latency with equal loss.
    expect(judge([4, 1], reached, { margin: 0 })).toMatchObject({ goesOn: true, why: "close" });
    expect(judge([5, 1], reached, { margin: 0 })).toMatchObject({ goesOn: true, why: "close" });
  });

  it("stops nobody among too few, nor where training tells nobody apart yet", () => {
    expect(judge([9, 9], entries([1, 1], [2, 2]))).toMatchObject({ goesOn: true, why: "few", reached: 3 });
    expect(judge([9, 1], entries([1, 1], [2, 1], [3, 1], [4, 1]))).toMatchObject({
      goesOn: true,
      why: "close",
    });
  });

  it("keeps the best 1/eta whatever dominates them, by rank, then by hypervolume contribution", () => {
    // One entry beats all, then a second front of three entries competes for two places.
    const others = entries(
      [0, 0],
      [1, 9],
      [9, 1],
      [9.5, 9.5],
      [9.6, 9.6],
      [9.7, 9.7],
      [9.8, 9.8],
      [9.9, 9.9],
    );
    const middle = judge([4, 4], others);
    expect(middle).toMatchObject({ goesOn: true, why: "best", kept: 3, place: 2, against: 0 });
    expect(judge([4, 4], others, { eta: 9 })).toMatchObject({ goesOn: false, kept: 1, place: 2 });
    // Near an end of that front it adds little volume: both ends and the middle come first.
    const crowded = [...others, { trial: 50, vector: [4, 4] }];
    expect(judge([1.01, 8.999], crowded)).toMatchObject({
      goesOn: false,
      why: "dominated",
      kept: 4,
      place: 5,
    });
  });

  it("asks every axis of training, and refuses to judge without one", () => {
    const both = (own: number[], others: RungEntry[]) =>
      judgeRung({ trial: 9, vector: own }, others, [true, true], rule);
    const others = entries([1, 1], [1, 1], [1, 1], [3, 3]);
    expect(both([2, 1.1], others)).toMatchObject({ goesOn: true, why: "close" });
    expect(both([2, 2], others)).toMatchObject({ goesOn: false, against: 0 });
    expect(() => judgeRung(others[0]!, others.slice(1), [false, false], rule)).toThrow(/training/);
  });

  it("never stops a non-dominated trial or one of the best ranks; stopped ones are dominated as defined", () => {
    const rng = createRng(7);
    let stopped = 0;
    for (let round = 0; round < 300; round++) {
      const axes = 2 + rng.below(2);
      const uncertain = Array.from({ length: axes }, (_, m) => m === 0 || rng.below(2) === 0);
      const all = entries(
        ...Array.from({ length: 4 + rng.below(20) }, () =>
          Array.from({ length: axes }, () => rng.below(12) / 4),
        ),
      );
      const [own, ...others] = all as [RungEntry, ...RungEntry[]];
      const verdict = judgeRung(own, others, uncertain, rule);
      const beats = others.filter(({ vector }) => {
        const spread = (m: number) => {
          const values = all.map((one) => one.vector[m]!);
          return Math.max(...values) - Math.min(...values);
        };
        return vector.every((value, m) =>
          uncertain[m] ? own.vector[m]! - value > 0.1 * spread(m) : value <= own.vector[m]!,
        );
      });
      const fronts = nonDominatedSort(all.map(({ vector }) => vector));
      const rank = fronts.findIndex((front) => front.includes(0));
      const ahead = fronts.slice(0, rank).flat().length;
      if (rank === 0) expect(verdict.goesOn).toBe(true);
      if (ahead + fronts[rank]!.length <= verdict.kept) expect(verdict.goesOn).toBe(true);
      if (ahead >= verdict.kept) expect(verdict.goesOn).toBe(beats.length === 0);
      if (verdict.goesOn) continue;
      stopped++;
      expect(beats.map(({ trial }) => trial)).toContain(verdict.against);
      expect(dominates(all[verdict.against!]!.vector, own.vector)).toBe(true);
    }
    expect(stopped).toBeGreaterThan(50);
  });
});
