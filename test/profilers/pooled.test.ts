// Intervals against tables, and by simulation with known truth.
import { describe, expect, it } from "vitest";
import { estimate, pooledSpread } from "../../profilers/statistics/pooled.ts";
import { createRng, normal } from "../../search/rng.ts";

describe("intervals", () => {
  it("hold the truth as often as they say", () => {
    const rng = createRng(5);
    const draw = (mean: number, sd: number, n: number) =>
      Array.from({ length: n }, () => mean + sd * normal(rng));
    let inMean = 0;
    const rounds = 2000;
    for (let n = 0; n < rounds; n++) {
      const groups = [draw(1, 0.2, 2), draw(3, 0.2, 2), draw(2, 0.2, 2), draw(0, 0.2, 2)];
      const { low, high } = estimate(groups[0]!, pooledSpread(groups));
      if (low <= 1 && 1 <= high) inMean++;
    }
    expect(inMean / rounds).toBeGreaterThan(0.935);
    expect(inMean / rounds).toBeLessThan(0.965);
  });

  it("are unknown, not zero, where nothing was repeated", () => {
    expect(pooledSpread([[1], [2]])).toBeNull();
    expect(estimate([1], null)).toEqual({
      value: 1,
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    });
  });
});
