// Planning: gains of repetitions against closed forms, and the order of actions by gain per minute of two
// resources.
import { describe, expect, it } from "vitest";
import type { NoisyPoint } from "../../search/noise/front-chance.ts";
import { type Action, planRound, pricesOf } from "../../search/planning/next-action.ts";
import { repetitionGains } from "../../search/planning/repetition-gain.ts";
import { createRng } from "../../search/rng.ts";

const point = (id: string, mean: number[], error: number[]): NoisyPoint => ({
  id,
  mean,
  standardError: error,
  degrees: error.map(() => 10),
});
const gainsOf = (points: readonly NoisyPoint[], objectives = [0, 1], taken = 1) =>
  repetitionGains(
    points,
    points.map((_, index) => ({ point: index, objectives, taken })),
    createRng(1),
  );

describe("the gain of a repetition", () => {
  it("is the mean error of the hypervolume times what one more measurement takes from it", () => {
    // Far from its neighbours and the reference, each keeps a box of its own. Its error changes the volume in
    // proportion.
    const points = [point("a", [0, 10], [0.1, 0]), point("b", [5, 5], [0, 0]), point("c", [10, 0], [0, 0])];
    // Reference 11, 11. a: (5 - x) wide up to b, 11 - 10 = 1 high; nothing beyond b's left edge.
    const meanError = 0.1 * Math.sqrt(2 / Math.PI) * 1;
    const [a, b, c] = gainsOf(points);
    expect(a! / (meanError * (1 - Math.SQRT1_2))).toBeCloseTo(1, 0.6);
    expect([b, c]).toEqual([0, 0]);
    const [third] = gainsOf(points, [0, 1], 3);
    expect(third! / a!).toBeCloseTo((1 - Math.sqrt(3 / 4)) / (1 - Math.SQRT1_2), 9);
  });

  it("is more with more doubt, none for what is exact, measured otherwise, or far behind", () => {
    const rng = createRng(7);
    for (let n = 0; n < 40; n++) {
      const front = Array.from({ length: 6 }, (_, k) => [k + 0.3 * rng.next(), 6 - k + 0.3 * rng.next()]);
      const at = rng.below(6);
      const error = 0.02 + 0.3 * rng.next();
      const withError = (own: number) =>
        front.map((mean, k) => point(`${k}`, mean, k === at ? [own, 0] : [0, 0]));
      const [less, more] = [gainsOf(withError(error))[at]!, gainsOf(withError(1.5 * error))[at]!];
      expect(less).toBeGreaterThan(0);
      expect(more).toBeGreaterThan(less);
      expect(gainsOf(withError(error), [1])[at]).toBe(0);
      const behind = point("behind", [front[0]![0]! + 6, front[0]![1]! + 6], [error, error]);
      expect(gainsOf([...withError(error), behind])[6]).toBe(0);
    }
  });

  it("is there for a dominated point that may be on the front after all", () => {
    const near = [
      point("a", [1, 1], [0, 0]),
      point("b", [1.05, 1.05], [0.1, 0.1]),
      point("c", [3, 3], [0.1, 0.1]),
    ];
    const [, b, c] = gainsOf(near);
    expect(b).toBeGreaterThan(0);
    expect(c).toBe(0);
    expect(gainsOf(near)).toEqual(gainsOf(near));
  });
});

const evaluate = (id: string, gain: number, device: number, training = 0): Action => ({
  kind: "evaluate",
  id,
  gain,
  minutes: { device, training },
});
const remeasure = (id: string, gain: number, device: number): Action => ({
  kind: "remeasure",
  id,
  gain,
  minutes: { device, training: 0 },
});
const reseed = (id: string, gain: number, training: number): Action => ({
  kind: "reseed",
  id,
  gain,
  minutes: { device: 0, training },
});
const ids = (actions: readonly Action[]): string => actions.map(({ id }) => id).join(" ");
const plenty = { allowance: { device: 100, training: 100 }, atOnce: false, leastGain: 0 };

describe("the next round", () => {
  it("takes more gain and fewer minutes first; repetitions only at the pace of the batch or above", () => {
    const batch = [evaluate("slow", 6, 3), evaluate("quick", 6, 1), evaluate("poor", 1, 1)];
    // 13 in 5 minutes.
    expect(ids(planRound(batch, [], plenty))).toBe("quick slow poor");
    const again = [remeasure("doubtful", 4, 1), remeasure("dear", 4, 4), remeasure("sure", 0, 1)];
    expect(ids(planRound(batch, again, plenty))).toBe("quick doubtful slow poor");
    expect(ids(planRound(batch, [remeasure("just", 2.61, 1), remeasure("not", 2.59, 1)], plenty))).toBe(
      "quick just slow poor",
    );
  });

  it("never drops an evaluation, never spends more than the allowance, and orders what is chosen by rate", () => {
    const rng = createRng(11);
    for (let n = 0; n < 300; n++) {
      const draw = () => 0.1 + rng.next();
      const batch = Array.from({ length: rng.below(6) }, (_, k) => evaluate(`e${k}`, draw(), draw(), draw()));
      const again = Array.from({ length: rng.below(12) }, (_, k) =>
        k % 2 === 0 ? remeasure(`m${k}`, 2 * draw(), draw()) : reseed(`s${k}`, 2 * draw(), draw()),
      );
      const allowance = { device: 2 * rng.next(), training: 2 * rng.next() };
      const atOnce = rng.below(2) === 0;
      const round = planRound(batch, again, { allowance, atOnce, leastGain: 0.3 });
      const repeated = round.filter(({ kind }) => kind !== "evaluate");
      expect(round.filter(({ kind }) => kind === "evaluate")).toHaveLength(batch.length);
      for (const resource of ["device", "training"] as const)
        expect(repeated.reduce((sum, { minutes }) => sum + minutes[resource], 0)).toBeLessThanOrEqual(
          allowance[resource],
        );
      expect(repeated.every(({ gain }) => gain >= 0.3)).toBe(true);
      const load = (resource: "device" | "training") =>
        (batch.length > 0 ? batch : again).reduce((sum, { minutes }) => sum + minutes[resource], 0);
      const prices = pricesOf({ device: load("device"), training: load("training") }, atOnce);
      const rates = round.map(
        ({ gain, minutes }) => gain / (minutes.device * prices.device + minutes.training * prices.training),
      );
      expect(rates).toEqual(rates.toSorted((a, b) => b - a));
      // Half the minutes, or double the gain, of a chosen repetition keeps it chosen and moves it no further
      // back.
      const one = repeated[0];
      if (one === undefined || batch.length === 0) continue;
      const better = { ...one, gain: 2 * one.gain };
      const then = planRound(
        batch,
        again.map((other) => (other === one ? better : other)),
        { allowance, atOnce, leastGain: 0.3 },
      );
      expect(then.indexOf(better)).toBeGreaterThanOrEqual(0);
      expect(then.indexOf(better)).toBeLessThanOrEqual(round.indexOf(one));
    }
  });

  it("prices a minute by how much work waits for it, where both resources work at once", () => {
    // Training is the bottleneck: a measurement fits beside it nearly free, a seed does not.
    const batch = [evaluate("a", 10, 1, 9), evaluate("b", 10, 1, 9)];
    const again = [remeasure("measured", 1.5, 1), reseed("trained", 1.5, 1)];
    expect(pricesOf({ device: 2, training: 18 }, true)).toEqual({ device: 0.1, training: 0.9 });
    expect(ids(planRound(batch, again, { ...plenty, atOnce: true }))).toBe("measured trained a b");
    // Where they take turns all minutes cost the same, and both exceed the batch's gain of 1 per minute.
    expect(ids(planRound(batch, again, plenty))).toBe("measured trained a b");
    expect(
      ids(planRound(batch, [remeasure("m", 0.9, 1), reseed("t", 1.05, 1)], { ...plenty, atOnce: true })),
    ).toBe("m a b");
    expect(ids(planRound(batch, [remeasure("m", 0.9, 1), reseed("t", 1.05, 1)], plenty))).toBe("t a b");
  });

  it("does with nothing to evaluate the best of each resource, and looks again", () => {
    const again = [remeasure("m1", 1, 1), remeasure("m2", 2, 1), reseed("s1", 3, 1), reseed("s2", 1, 1)];
    expect(ids(planRound([], again, plenty))).toBe("s1 m2");
    expect(ids(planRound([], again, { ...plenty, leastGain: 2.5 }))).toBe("s1");
    expect(ids(planRound([], again, { ...plenty, allowance: { device: 0.5, training: 9 } }))).toBe("s1");
    expect(planRound([], [], plenty)).toEqual([]);
  });
});
