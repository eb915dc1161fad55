// The comparison's error rates on scripted devices, through the code that decides; and each of its rules.
import { describe, expect, it } from "vitest";
import {
  type CompareContext,
  type ComparedPair,
  compareDefaults,
  comparePairs,
  judgePairs,
} from "../../profilers/compare.ts";
import { comparedValues, directionOf, repetitionsFor } from "../../profilers/compared-values.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { createRng, normal } from "../../search/rng.ts";
import { compareOnce, compareRows, differs } from "../bench/conclusions/compare.ts";
import { curves, tails } from "../support/throttled-source.ts";

const MIN = { ttftMs: "min" } as const;

describe.each(Object.keys(curves) as (keyof typeof curves)[])(
  "a device with a %s curve, noise of 0.02, 20 pairs",
  (curve) => {
    const device = { name: curve, curve: curves[curve], tails: tails.normal, noise: 0.02 };
    const found = async (ratio: number, runs: number, seed: number): Promise<number> => {
      const rng = createRng(seed);
      let differing = 0;
      for (let n = 0; n < runs; n++)
        if ((await compareOnce({ device, pairs: 20, ratio }, rng))!.metrics.some(differs)) differing++;
      return differing / runs;
    };
    it("identical layouts differ in at most 5% of 1000 comparisons", async () => {
      expect(await found(1, 1000, 11)).toBeLessThanOrEqual(0.05);
    });
    // A device that recovers every few runs spoils up to a third of the pairs.
    const least = curve === "sawtooth" ? 0.84 : 0.93;
    it(`a difference of 3% is found in at least ${100 * least}% of 1000`, async () => {
      expect(await found(1.03, 1000, 12)).toBeGreaterThanOrEqual(least);
    });
  },
);

it("holds what it states: coverage, false differences and power, 10 to 41 pairs, differences of 0 to 10x", async () => {
  const rows = await compareRows({ runs: 400, seed: 2 });
  expect(rows.length).toBeGreaterThan(15);
  expect(rows.filter(({ pass }) => !pass)).toEqual([]);
  for (const { value, low, high } of rows) expect([low <= value, value <= high]).toEqual([true, true]);
}, 180_000);

it.each([10, 11, 12, 13, 19, 23, 40, 41])(
  "judges clear differences with %i pairs, each time",
  async (pairs) => {
    const device = { name: "quiet", curve: () => () => 1, tails: tails.normal, noise: 0.003 };
    const rng = createRng(pairs);
    for (const ratio of [1.08, 1.3, 2, 10, 1 / 1.3, 0.1])
      for (let n = 0; n < 30; n++) {
        const run = (await compareOnce({ device, pairs, ratio }, rng))!;
        expect(run.metrics[0]!.verdict).toBe(ratio > 1 ? "a-better" : "b-better");
        expect(run.metrics[0]!.change).toBeCloseTo(ratio - 1, ratio > 5 ? 0 : 1);
      }
  },
);

/** Deterministic pairs of two metrics around given medians. */
function pairsOf(n: number, b: number, noise: number): readonly ComparedPair[] {
  const rng = createRng(9);
  return Array.from({ length: n }, (_, i) => ({
    first: i % 2 === 0 ? ("a" as const) : ("b" as const),
    a: { ttftMs: 100 * Math.exp(noise * normal(rng)), speed: 50 },
    b: { ttftMs: 100 * b * Math.exp(noise * normal(rng)), speed: 50 },
  }));
}
const judge = (pairs: readonly ComparedPair[], directions: Record<string, "min" | "max"> = MIN) =>
  judgePairs(pairs, directions, compareDefaults);

describe("the verdict", () => {
  it("says which side is better, by the metric's direction", () => {
    expect(judge(pairsOf(20, 1.1, 0.02))[0]).toMatchObject({ verdict: "a-better" });
    expect(judge(pairsOf(20, 0.9, 0.02))[0]).toMatchObject({ verdict: "b-better" });
    expect(judge(pairsOf(20, 1.1, 0.02), { ttftMs: "max" })[0]).toMatchObject({ verdict: "b-better" });
  });
  it("never calls a difference below the effect one, however sure it is", () => {
    const [judged] = judge(pairsOf(20, 1.01, 0.0005));
    expect(judged!.p).toBeLessThan(0.001);
    expect(judged!.interval.low).toBeGreaterThan(0);
    expect(judged!.verdict).toBe("same");
  });
  it("is undecided where the interval is wider than the effect", () => {
    expect(judge(pairsOf(6, 1, 0.1))[0]!.verdict).toBe("undecided");
  });
  it("is the same where nothing varies", () => {
    expect(judge(pairsOf(20, 1, 0.02), { speed: "max" })[0]).toMatchObject({
      verdict: "same",
      change: 0,
      p: 1,
      pairSd: 0,
    });
  });
  it("counts the metrics it judges together, and the looks", () => {
    const [alone] = judge(pairsOf(20, 1.1, 0.02));
    const [together] = judge(pairsOf(20, 1.1, 0.02), { ttftMs: "min", speed: "max" });
    expect(together!.adjustedP).toBeCloseTo(2 * alone!.adjustedP, 10);
    const [early] = judgePairs(pairsOf(20, 1.1, 0.02), MIN, compareDefaults, 0.01);
    expect(early!.adjustedP).toBeCloseTo(5 * alone!.adjustedP, 10);
    expect(early!.interval.low).toBeLessThan(alone!.interval.low);
  });
  it("comes with the spread of the pairs and the pairs that smaller differences need", () => {
    const [judged] = judge(pairsOf(40, 1.1, 0.04));
    expect(judged!.pairSd).toBeGreaterThan(0.04);
    expect(judged!.pairSd).toBeLessThan(0.08);
    const [two, five] = judged!.pairsNeeded;
    expect([two!.difference, five!.difference]).toEqual([0.02, 0.05]);
    expect(two!.pairs).toBeGreaterThan(2 * five!.pairs!);
    const oneOrder = pairsOf(3, 1, 0.02).map((pair) => ({ ...pair, first: "a" as const }));
    expect(judge(oneOrder)[0]).toMatchObject({
      pairSd: null,
      pairsNeeded: [{ pairs: null }, { pairs: null }],
    });
  });
});

describe("pairs", () => {
  const rules = { ...compareDefaults, pairs: 20, maxRepeats: 2 };
  const context = (seed: number, changes: Partial<CompareContext> = {}): CompareContext => ({
    rules,
    rng: createRng(seed),
    directionOf: () => "min",
    ...changes,
  });
  /** Undecided at every look: noise far above the effect, no difference. */
  const noisy = (seed: number) => {
    const rng = createRng(seed);
    return async () => ({ x: 100 * Math.exp(0.3 * normal(rng)) });
  };

  it("draw which side goes first, as often either", async () => {
    const { pairs, ended } = (await comparePairs(noisy(1), context(1)))!;
    expect(ended).toBe("pairs");
    expect(pairs.filter(({ first }) => first === "a")).toHaveLength(10);
    expect(new Set(pairs.slice(0, 10).map(({ first }) => first)).size).toBe(2);
    const other = (await comparePairs(noisy(1), context(2)))!.pairs;
    expect(other.map(({ first }) => first)).not.toEqual(pairs.map(({ first }) => first));
  });

  it("end at the first look that decides every metric: a difference, or none", async () => {
    for (const [b, verdict] of [
      [150, "a-better"],
      [100, "same"],
    ] as const) {
      const rng = createRng(3);
      const run = async (side: "a" | "b") => ({
        x: (side === "b" ? b : 100) * Math.exp(0.002 * normal(rng)),
      });
      const { pairs, ended, metrics, looks } = (await comparePairs(run, context(3)))!;
      expect([ended, pairs.length, metrics[0]!.verdict]).toEqual(["decided", 12, verdict]);
      expect(looks.map((look) => look.pairs)).toEqual([12, 16, 20]);
    }
  });

  it("go on while one metric is undecided", async () => {
    const rng = createRng(4);
    const run = async (side: "a" | "b") => ({
      x: side === "b" ? 150 : 100,
      y: 100 * Math.exp(0.3 * normal(rng)),
    });
    const { pairs, metrics } = (await comparePairs(run, context(4)))!;
    expect(pairs).toHaveLength(20);
    expect(metrics.map(({ verdict }) => verdict)).toEqual(["a-better", "undecided"]);
  });

  it("are run again when void, in the order they had, up to a limit", async () => {
    let runs = 0;
    const steady = noisy(5);
    const seen: string[] = [];
    const run = async (side: "a" | "b", pair: number) => {
      seen.push(`${pair}${side}`);
      return ++runs % 20 === 0 ? null : steady();
    };
    const ran = (await comparePairs(run, context(5)))!;
    expect([ran.pairs.length, ran.voided]).toEqual([20, 2]);
    const repeated = seen.filter((key, i) => seen.indexOf(key) !== i);
    expect(repeated.length).toBeGreaterThan(0);
    for (const [pair, { first }] of ran.pairs.entries())
      expect(seen.filter((key) => Number.parseInt(key, 10) === pair)[0]).toBe(`${pair}${first}`);
    let tried = 0;
    const never = async (): Promise<null> => {
      tried++;
      return null;
    };
    expect(await comparePairs(never, context(1))).toBeNull();
    expect(tried).toBe(3);
  });

  it("of an earlier comparison stay, and others are added in a block of their own", async () => {
    const earlier = (await comparePairs(noisy(6), context(6)))!;
    const extended = (await comparePairs(noisy(7), context(7, { earlier, rules: { ...rules, pairs: 7 } })))!;
    expect(extended.stages).toEqual([20, 7]);
    expect(extended.pairs.slice(0, 20)).toEqual(earlier.pairs);
    expect(extended.pairs.map(({ block }) => block)).toEqual([...Array(20).fill(0), ...Array(7).fill(1)]);
    expect(extended.looks.slice(0, 3)).toEqual(earlier.looks);
    expect(extended.looks.at(-1)!.pairs).toBe(27);
  });
});

describe("the values of a run", () => {
  const result = (decodeMs: number[][], ttftMs: number[], batch = 1) =>
    ({
      batch,
      contexts: [{ context: 64, ttftMs, decodeMs, prefillMs: ttftMs }],
      memory: { peakBytes: 7_000_000 },
    }) as unknown as MeasureResult;

  it("are low quantiles of repetitions and of tokens: not moved by what disturbs most of them", () => {
    const tokens = Array.from({ length: 5 }, () => 2);
    const quiet = comparedValues(result([tokens, tokens], Array(11).fill(10)));
    expect(quiet).toEqual({ "ttftMs@64": 10, "decodeTokensPerSecond@64": 500, peakBytes: 7_000_000 });
    const busy = result(
      [
        [9, 2, 30, 5, 6],
        [8, 80, 2, 7, 5],
      ],
      [10, 90, 40, 10, 35, 41, 12, 66, 70, 50, 11],
    );
    expect(comparedValues(busy)).toEqual(quiet);
  });
  it("come from more repetitions where they are short, of the slower of both", () => {
    const of = (ms: number) => result([[ms / 2, ms / 2]], [ms]);
    expect(repetitionsFor([of(0.1), of(0.2)])).toBe(30);
    expect(repetitionsFor([of(0.1), of(25)])).toBe(10);
    expect(repetitionsFor([of(5000), of(25)])).toBe(4);
  });
  it("name the batch, and count the tokens of all its sequences", () => {
    expect(comparedValues(result([[2, 2]], [10], 4))).toMatchObject({
      "ttftMs@64x4": 10,
      "decodeTokensPerSecond@64x4": 2000,
    });
  });
  it("know which way is better", () => {
    expect(["ttftMs@64x4", "decodeTokensPerSecond@64", "peakBytes"].map(directionOf)).toEqual([
      "min",
      "max",
      "min",
    ]);
  });
});
