// Statistics against SciPy (test/golden/make_statistics_golden.py), and their promises: coverage and error
// rates.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { bcaInterval } from "../../profilers/statistics/bootstrap.ts";
import { holm } from "../../profilers/statistics/holm.ts";
import { agreement, kendallTau } from "../../profilers/statistics/kendall.ts";
import { normalCdf, normalCdf7, normalQuantile } from "../../profilers/statistics/normal.ts";
import { drawOrders, type PairedDifference, pairedShift } from "../../profilers/statistics/paired.ts";
import { medianShift } from "../../profilers/statistics/sign.ts";
import { mean, summarise } from "../../profilers/statistics/summary.ts";
import { createRng, normal } from "../../search/rng.ts";

type Ends = [number, number];
interface Golden {
  readonly normal: readonly { x: number; cdf: number }[];
  readonly samples: readonly { name: string; values: number[]; bca95: Ends; bca90: Ends }[];
  readonly paired: readonly { aFirst: number[]; bFirst: number[]; p: number }[];
  readonly sign: readonly { values: number[]; p: number; interval: Ends }[];
  readonly kendall: readonly { name: string; pairs: [number, number][]; tau: number }[];
}
const golden = JSON.parse(
  readFileSync(new URL("../golden/statistics.json", import.meta.url), "utf8"),
) as Golden;

const median = (values: readonly number[]): number => summarise(values).median;

const pairsOf = (aFirst: readonly number[], bFirst: readonly number[]): PairedDifference[] => [
  ...aFirst.map((difference) => ({ difference, first: "a" as const })),
  ...bFirst.map((difference) => ({ difference, first: "b" as const })),
];

describe("against SciPy", () => {
  it.each(golden.normal)("normal distribution at $x", ({ x, cdf }) => {
    expect(Math.abs(normalCdf7(x) / cdf - 1)).toBeLessThan(2e-7);
    expect(Math.abs(normalCdf(x) / cdf - 1)).toBeLessThan(1e-9);
    expect(normalQuantile(cdf)).toBeCloseTo(x, 4);
  });

  it.each(golden.samples)("BCa intervals of $name samples", ({ values, bca95, bca90 }) => {
    const spread = Math.max(...values) - Math.min(...values);
    for (const [level, ends] of [
      [0.95, bca95],
      [0.9, bca90],
    ] as const) {
      const ours = bcaInterval(values, mean, createRng(1), { level, resamples: 40_000 })!;
      // Both ends are quantiles of resamples, so they agree within the error of 40,000 draws.
      expect(Math.abs(ours.low - ends[0]) / spread).toBeLessThan(0.004);
      expect(Math.abs(ours.high - ends[1]) / spread).toBeLessThan(0.004);
    }
  });

  it.each(golden.paired)("sign-flip p-value $p", ({ aFirst, bFirst, p }) => {
    expect(pairedShift(pairsOf(aFirst, bFirst)).p).toBeCloseTo(p, 10);
  });

  it.each(golden.sign)("sign test of $values.length values and its interval", ({ values, p, interval }) => {
    const shift = medianShift(values);
    expect(shift.p).toBeCloseTo(p, 10);
    expect([shift.interval.low, shift.interval.high]).toEqual(interval);
  });

  it.each(golden.kendall)("tau-b of $name ranks", ({ pairs, tau }) => {
    expect(kendallTau(pairs)).toBeCloseTo(tau, 12);
  });
});

describe("BCa", () => {
  it("covers what it says, also for skewed samples where the percentile bootstrap does not", () => {
    // The mean of exp(0.6 Z) is exp(0.18).
    const rng = createRng(3);
    const truth = Math.exp(0.18);
    const runs = 400;
    let held = 0;
    for (let run = 0; run < runs; run++) {
      const values = Array.from({ length: 20 }, () => Math.exp(0.6 * normal(rng)));
      const { low, high } = bcaInterval(values, mean, rng, { resamples: 500 })!;
      if (low <= truth && truth <= high) held++;
    }
    // Known to be a little below 95% at 20 samples; the percentile interval contains the mean about 90% of
    // the time.
    expect(held / runs).toBeGreaterThan(0.9);
    expect(held / runs).toBeLessThan(0.99);
  });

  it("is the value itself where nothing varies, and nothing for one item", () => {
    expect(bcaInterval([2, 2, 2], median, createRng(1))).toEqual({ low: 2, high: 2 });
    expect(bcaInterval([2], median, createRng(1))).toBeNull();
  });

  it("gives the same ends for the same seed", () => {
    const values = golden.samples[0]!.values;
    const once = bcaInterval(values, mean, createRng(7));
    expect(bcaInterval(values, mean, createRng(7))).toEqual(once);
    expect(bcaInterval(values, mean, createRng(8))).not.toEqual(once);
  });
});

describe("the paired shift", () => {
  it("rejects at most alpha of true nulls under drift, and its interval covers", () => {
    const rng = createRng(5);
    let [rejected, held] = [0, 0];
    const runs = 2000;
    for (let run = 0; run < runs; run++) {
      const orders = drawOrders(20, (n) => rng.below(n));
      // The second run is slower by a growing drift, with heavy tails.
      const seconds = orders.map((_, i) => 0.01 * i + normal(rng) / (0.1 + Math.abs(normal(rng))));
      const pairs = (shift: number): PairedDifference[] =>
        orders.map(({ first }, i) => ({
          first,
          difference: shift + (first === "a" ? seconds[i]! : -seconds[i]!),
        }));
      if (pairedShift(pairs(0)).p <= 0.05) rejected++;
      const { low, high } = pairedShift(pairs(3)).interval;
      if (low <= 3 && 3 <= high) held++;
    }
    const margin = 3 * Math.sqrt((0.05 * 0.95) / runs);
    expect(rejected / runs).toBeLessThan(0.05 + margin);
    expect(rejected / runs).toBeGreaterThan(0.02);
    expect(held / runs).toBeGreaterThan(0.95 - margin);
  });

  it("has an interval of exactly the shifts that its test does not reject", () => {
    const { aFirst, bFirst } = golden.paired[0]!;
    const { low, high } = pairedShift(pairsOf(aFirst, bFirst)).interval;
    const pOfShift = (shift: number): number =>
      pairedShift(
        pairsOf(
          aFirst.map((d) => d - shift),
          bFirst.map((d) => d - shift),
        ),
      ).p;
    for (const inside of [low + 1e-9, high - 1e-9]) expect(pOfShift(inside)).toBeGreaterThan(0.05);
    for (const outside of [low - 1e-9, high + 1e-9]) expect(pOfShift(outside)).toBeLessThanOrEqual(0.05);
  });

  it("finds nothing in nothing, and everything in a constant difference", () => {
    expect(pairedShift(pairsOf(new Array(10).fill(0), new Array(10).fill(0)))).toEqual({
      estimate: 0,
      interval: { low: 0, high: 0 },
      p: 1,
      pairSd: 0,
    });
    expect(pairedShift(pairsOf(new Array(10).fill(1), new Array(10).fill(1))).p).toBeCloseTo(2 / 184_756, 12);
    expect(pairedShift(pairsOf([1], [1])).interval).toEqual({ low: -Infinity, high: Infinity });
  });

  it("excludes nothing where all pairs have one order", () => {
    expect(pairedShift(pairsOf([1, 2, 3], []))).toEqual({
      estimate: 2,
      interval: { low: -Infinity, high: Infinity },
      p: 1,
      pairSd: null,
    });
    expect(() => pairedShift([])).toThrow(RangeError);
  });

  it("is exact after the first pairs of a block and over several blocks, whatever drifts", () => {
    const rng = createRng(8);
    const runs = 3000;
    const rejected = { prefix: 0, blocks: 0 };
    for (let run = 0; run < runs; run++) {
      // Noise grows with each pair, and jumps from one block to the next.
      const pairs = drawOrders(57, (n) => rng.below(n)).map(({ first, block }, i): PairedDifference => {
        const later = 5 * block + 0.1 * i * normal(rng);
        return { first, block, difference: first === "a" ? later : -later };
      });
      if (pairedShift(pairs.slice(0, 13)).p <= 0.05) rejected.prefix++;
      if (pairedShift(pairs).p <= 0.05) rejected.blocks++;
    }
    const margin = 3 * Math.sqrt((0.05 * 0.95) / runs);
    expect(rejected.prefix / runs).toBeLessThan(0.05 + margin);
    expect(rejected.blocks / runs).toBeLessThan(0.05 + margin);
    expect(rejected.blocks / runs).toBeGreaterThan(0.03);
  });

  it("adds up blocks: two of them say more than either, and a thousand pairs take no time", () => {
    const block = (of: number) =>
      pairsOf([0.9, 1.1, 1.4], [1, 1.2, 0.8]).map((pair) => ({ ...pair, block: of }));
    // One pattern of 20 in each block is equally extreme, on either side.
    expect(pairedShift(block(0)).p).toBeCloseTo(2 / 20, 12);
    expect(pairedShift([...block(0), ...block(1)]).p).toBeCloseTo(2 / 400, 12);
    const rng = createRng(4);
    const many = drawOrders(1000, (n) => rng.below(n)).map((order) => ({
      ...order,
      difference: 1 + normal(rng),
    }));
    const shift = pairedShift(many);
    expect(shift.estimate).toBeCloseTo(1, 0);
    expect(shift.interval.low).toBeGreaterThan(0.9);
  }, 5000);

  it("tells the standard deviation of normal noise, which a few strays do not move", () => {
    const rng = createRng(6);
    const spread = (stray: number): number => {
      const found = Array.from(
        { length: 200 },
        () =>
          pairedShift(
            drawOrders(31, (n) => rng.below(n)).map((order, i) => ({
              ...order,
              difference: 7 + 0.3 * normal(rng) + (i % 10 === 0 ? stray : 0),
            })),
          ).pairSd!,
      );
      return median(found);
    };
    expect(spread(0)).toBeGreaterThan(0.27);
    expect(spread(0)).toBeLessThan(0.33);
    expect(spread(100)).toBeLessThan(0.5);
  });

  it("Holm: steps down, keeps order, never below the raw value", () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });
});

describe("agreement of rankings", () => {
  it("has an interval that holds what is seen, and none for too few", () => {
    const { pairs, tau } = golden.kendall[0]!;
    const found = agreement(pairs, createRng(1))!;
    expect(found).toMatchObject({ tau: expect.closeTo(tau, 12), n: 16 });
    expect(found.interval!.low).toBeLessThan(tau);
    expect(found.interval!.high).toBeGreaterThan(tau);
    expect(found.interval!.high).toBeLessThanOrEqual(1);
    expect(agreement(pairs.slice(0, 4), createRng(1))!.interval).toBeNull();
  });

  it("is nothing where one side has no order", () => {
    expect(
      agreement(
        [
          [1, 2],
          [2, 2],
          [3, 2],
        ],
        createRng(1),
      ),
    ).toBeNull();
  });
});
