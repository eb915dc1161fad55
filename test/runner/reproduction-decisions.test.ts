// The decisions of the minimal-hybrid study: combination of evidence, tests against margins, and verdicts in
// simulated worlds.
import { describe, expect, it } from "vitest";
import { binomialCdf } from "../../profilers/statistics/binomial.ts";
import { all, any, none, not } from "../../profilers/statistics/evidence.ts";
import { below, differenceOf, exactly, intervalOf } from "../../profilers/statistics/margin.ts";
import { fasterThan, slower } from "../../runner/reproduction/decide/paired-time.ts";
import { decide, verdictOf } from "../../runner/reproduction/decide/verdict.ts";
import { balancedOrders } from "../../runner/reproduction/orders.ts";
import { createRng, normal } from "../../search/rng.ts";
import { reproduceRows } from "../bench/conclusions/reproduce.ts";

describe("tests against a margin", () => {
  // t = -4.80196 with 4 degrees of freedom; by the closed form of its distribution, p = 0.00431790.
  const difference = differenceOf([0.1, 0.3, 0.2, 0.4, 0.1])!;

  it("are one-sided t tests, and the interval holds the bounds that neither rejects", () => {
    expect(below(difference, 0.5).pTrue).toBeCloseTo(0.0043179, 7);
    expect(below(difference, 0.5).pTrue + below(difference, 0.5).pFalse).toBeCloseTo(1, 9);
    const { low, high } = intervalOf(difference);
    expect(below(difference, high).pTrue).toBeCloseTo(0.025, 6);
    expect(below(difference, low).pFalse).toBeCloseTo(0.025, 6);
  });

  it("show nothing of one value, and are certain of counted ones", () => {
    expect(below(differenceOf([0.1]), 0.5)).toEqual(none);
    expect(below(exactly(0.1), 0.5)).toEqual({ pTrue: 0, pFalse: 1 });
    expect(below(exactly(0.5), 0.5)).toEqual({ pTrue: 1, pFalse: 0 });
  });

  it("the binomial distribution is exact", () => {
    // The sum of C(22, k) 0.28^k 0.72^(22 - k) for k up to 3.
    expect(binomialCdf(3, 22, 0.28)).toBeCloseTo(0.0981415106, 9);
    expect(binomialCdf(0, 10, 0.27)).toBeCloseTo(0.73 ** 10, 12);
    expect([binomialCdf(-1, 5, 0.5), binomialCdf(5, 5, 0.5), binomialCdf(2, 5, 1)]).toEqual([0, 1, 0]);
  });
});

describe("evidence", () => {
  const shown = { pTrue: 0.01, pFalse: 0.99 };
  const refuted = not(shown);

  it("for all of several parts needs each, and against them one, corrected for their number", () => {
    expect(verdictOf(all([shown, shown]))).toBe("agrees");
    expect(verdictOf(all([shown, refuted]))).toBe("contradicts");
    expect(verdictOf(all([shown, none]))).toBe("undecidable");
    expect(verdictOf(all([refuted, none, none, none, none, none]))).toBe("undecidable");
  });

  it("for any of several parts is the reverse", () => {
    expect(verdictOf(any([none, shown]))).toBe("agrees");
    expect(verdictOf(any([refuted, refuted]))).toBe("contradicts");
    expect(verdictOf(any([refuted, none]))).toBe("undecidable");
    expect([all([]), any([])]).toEqual([none, none]);
  });

  it("that is undecidable tells how many times the samples would decide it, where any number would", () => {
    const difference = { estimate: 0, standardError: 1, degrees: 20 };
    const { verdict, more } = decide((look) => below(difference, 1, look));
    expect(verdict).toBe("undecidable");
    expect(more()).toBeGreaterThan(4);
    expect(more()).toBeLessThan(9);
    expect(decide((look) => below({ ...difference, estimate: 1 }, 1, look)).more()).toBeNull();
  });
});

describe("interleaved pairs", () => {
  const pairs = (ratio: number, count: number, sd = 0.03) => {
    const rng = createRng(3);
    return balancedOrders(count, rng).map((first) => ({
      first,
      a: { ms: 10 },
      b: { ms: 10 * ratio * Math.exp(sd * normal(rng)) },
    }));
  };

  it("show a layout to be slower by more than what matters, or not to be, or neither", () => {
    expect(verdictOf(slower(pairs(1.2, 12), "ms"))).toBe("agrees");
    expect(verdictOf(slower(pairs(0.9, 12), "ms"))).toBe("contradicts");
    expect(verdictOf(slower(pairs(1.02, 12), "ms"))).toBe("undecidable");
    expect(slower(pairs(1.5, 8), "ms")).toEqual(none);
    expect(fasterThan(pairs(0.9, 12), "ms", 0).pTrue).toBeLessThan(0.01);
  });

  it("begin with either side as often, whatever their number, and any part of them exists", () => {
    for (const count of [0, 1, 2, 9, 30]) {
      const first = balancedOrders(count, createRng(count)).filter((side) => side === "a").length;
      expect(Math.abs(2 * first - count)).toBeLessThanOrEqual(1);
    }
  });
});

it("says agrees and contradicts where it should in made-up worlds", { timeout: 300_000 }, async () => {
  for (const { name, value, limit } of await reproduceRows({ runs: 12, seed: 3 })) {
    const atLeast = limit.startsWith(">=");
    // Few runs: the bounds allow a failure once in thousands.
    if (atLeast) expect([name, value >= 0.5]).toEqual([name, true]);
    else expect([name, value <= 0.34]).toEqual([name, true]);
  }
});
