// Intervals against tables and by simulation with known truth.
import { describe, expect, it } from "vitest";
import { createRng, normal } from "../../search/rng.ts";
import { estimate, pooledSpread, ratioOf } from "../../search/statistics.ts";

describe("intervals", () => {
  it("hold the truth as often as they say", () => {
    const rng = createRng(5);
    const draw = (mean: number, sd: number, n: number) =>
      Array.from({ length: n }, () => mean + sd * normal(rng));
    let [inMean, inRatio] = [0, 0];
    const rounds = 2000;
    for (let n = 0; n < rounds; n++) {
      const groups = [draw(1, 0.2, 2), draw(3, 0.2, 2), draw(2, 0.2, 2), draw(0, 0.2, 2)];
      const { low, high } = estimate(groups[0]!, pooledSpread(groups));
      if (low <= 1 && 1 <= high) inMean++;
      const ratio = ratioOf(
        draw(0, 0.05, 5).map((x) => 110 * Math.exp(x)),
        draw(0, 0.02, 5).map((x) => 100 * Math.exp(x)),
      );
      if (ratio.low <= 1.1 && 1.1 <= ratio.high) inRatio++;
    }
    expect(inMean / rounds).toBeGreaterThan(0.935);
    expect(inMean / rounds).toBeLessThan(0.965);
    expect(inRatio / rounds).toBeGreaterThan(0.93);
    expect(inRatio / rounds).toBeLessThan(0.97);
  });

  it("are unknown, not zero, where nothing was repeated", () => {
    expect(pooledSpread([[1], [2]])).toBeNull();
    expect(estimate([1], null)).toEqual({
      value: 1,
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    });
    expect(ratioOf([2], [1])).toEqual({ value: 2, low: 0, high: Number.POSITIVE_INFINITY });
  });
});
