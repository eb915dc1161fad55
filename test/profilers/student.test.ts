// Student's t against SciPy 1.16 (scipy.stats.t.ppf), and Wilson's interval against its published example.
import { describe, expect, it } from "vitest";
import { tCdf, tQuantile } from "../../profilers/statistics/student.ts";
import { wilson } from "../../profilers/statistics/wilson.ts";

describe("Student's t", () => {
  it.each([
    [0.975, 1, 12.7062047361747],
    [0.975, 2, 4.302652729749462],
    [0.975, 8, 2.306004135204166],
    [0.975, 30, 2.0422724563012378],
    [0.95, 3.5, 2.2224334936496004],
    [0.995, 200, 2.600634436191558],
    [0.9, 0.7, 5.009947959646406],
  ])("quantile %f of %f degrees of freedom is SciPy's", (p, degrees, expected) => {
    expect(tQuantile(p, degrees)).toBeCloseTo(expected, 7);
    expect(tQuantile(1 - p, degrees)).toBeCloseTo(-expected, 7);
    expect(tCdf(expected, degrees)).toBeCloseTo(p, 9);
  });

  it("has no quantile at 0 or 1, or without degrees of freedom", () => {
    expect(() => tQuantile(1, 3)).toThrow(RangeError);
    expect(() => tQuantile(0.5, 0)).toThrow(RangeError);
  });
});

describe("Wilson's interval", () => {
  it("is statsmodels' for 0 of 10 and 7 of 20, and everything where there were no cases", () => {
    expect(wilson(0, 10).low).toBe(0);
    expect(wilson(0, 10).high).toBeCloseTo(0.27753, 5);
    expect(wilson(7, 20).low).toBeCloseTo(0.18119, 4);
    expect(wilson(7, 20).high).toBeCloseTo(0.56715, 4);
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });
});
