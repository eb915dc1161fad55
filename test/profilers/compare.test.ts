// The comparison's error rates, through the code that decides, on a scripted device that throttles; and its rules one by one.
import { describe, expect, it } from "vitest";
import { type ComparedPair, compareDefaults, judgePairs, runPairs } from "../../profilers/compare.ts";
import { createRng, normal } from "../../search/rng.ts";
import { curves, throttledSource } from "../support/throttled-source.ts";

const MIN = { ttftMs: "min" } as const;

/** Share of `runs` comparisons that find a difference. */
async function found(curve: keyof typeof curves, ratio: number, runs: number, seed: number): Promise<number> {
  const rng = createRng(seed);
  let differing = 0;
  for (let n = 0; n < runs; n++) {
    const source = throttledSource(curves[curve], compareDefaults.pairs, ratio, 0.02, rng);
    const pairs = (await runPairs(source, compareDefaults, rng))!.pairs;
    const [judged] = judgePairs(pairs, MIN, compareDefaults);
    if (judged!.verdict.endsWith("better")) differing++;
  }
  return differing / runs;
}

describe.each(Object.keys(curves) as (keyof typeof curves)[])(
  "a device with a %s curve, noise of 0.02, 20 pairs",
  (curve) => {
    it("identical layouts differ in at most 5% of 2000 comparisons", async () => {
      expect(await found(curve, 1, 2000, 11)).toBeLessThanOrEqual(0.05);
    });
    it("a difference of 3% is found in at least 90% of 2000", async () => {
      // Within two standard errors of what npm run bench:compare counts in many more.
      expect(await found(curve, 1.03, 2000, 12)).toBeGreaterThanOrEqual(0.89);
    });
  },
);

/** Pairs of two metrics around given medians, deterministic. */
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
    });
  });
  it("counts the metrics it judges together", () => {
    const [alone] = judge(pairsOf(20, 1.1, 0.02));
    const [together] = judge(pairsOf(20, 1.1, 0.02), { ttftMs: "min", speed: "max" });
    expect(together!.adjustedP).toBeCloseTo(2 * alone!.adjustedP, 10);
  });
});

describe("pairs", () => {
  const rules = { ...compareDefaults, pairs: 8, maxRepeats: 2 };
  it("draw which side goes first", async () => {
    const pairs = (await runPairs(async () => ({ x: 1 }), { ...rules, pairs: 40 }, createRng(1)))!.pairs;
    const first = pairs.filter((pair) => pair.first === "a").length;
    expect(first).toBe(20);
    expect(new Set(pairs.slice(0, 20).map((pair) => pair.first)).size).toBe(2);
  });
  it("are run again when void, up to a limit", async () => {
    let runs = 0;
    const ran = (await runPairs(async () => (++runs % 7 === 0 ? null : { x: 1 }), rules, createRng(1)))!;
    expect(ran.pairs).toHaveLength(8);
    expect(ran.voided).toBe(2);
    expect(runs).toBeGreaterThan(16);
    expect(await runPairs(async () => null, rules, createRng(1))).toBeNull();
  });
  it("with something between their runs are replaced and kept apart, with both orders still in balance", async () => {
    const rng = createRng(3);
    let runs = 0;
    const run = async () => ({ x: (++runs === 6 ? 140 : 100) * Math.exp(0.01 * normal(rng)) });
    const { pairs, replaced } = (await runPairs(run, { ...rules, pairs: 12 }, rng))!;
    expect(replaced).toHaveLength(1);
    expect(runs).toBe(26);
    expect(pairs.filter(({ first }) => first === "a")).toHaveLength(6);
    expect(Math.max(...pairs.flatMap(({ a, b }) => [a.x!, b.x!]))).toBeLessThan(110);
  });
});
