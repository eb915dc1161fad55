// Pearson's correlation of the parts that a third quantity leaves unexplained, and its test (Fisher's test of
// a partial correlation).
import { tCdf } from "./student.ts";
import { mean } from "./summary.ts";

export interface PartialCorrelation {
  readonly correlation: number;
  /** One-sided p-value of the hypothesis of no correlation. */
  readonly p: number;
}

/**
 * Returns the correlation of `a` and `b` after removing the influence of `x` on both. Needs at least four
 * values.
 */
export function partialCorrelation(
  a: readonly number[],
  b: readonly number[],
  x: readonly number[],
): PartialCorrelation {
  const observed = correlation(residuals(a, x), residuals(b, x));
  const degrees = a.length - 3;
  const t = observed * Math.sqrt(degrees / Math.max(1 - observed ** 2, Number.EPSILON));
  return { correlation: observed, p: tCdf(-t, degrees) };
}

/** Residuals of the least-squares line over `x`. A constant x explains nothing. */
function residuals(y: readonly number[], x: readonly number[]): readonly number[] {
  const [meanX, meanY] = [mean(x), mean(y)];
  const square = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  const slope =
    square === 0 ? 0 : x.reduce((sum, value, n) => sum + (value - meanX) * (y[n]! - meanY), 0) / square;
  return y.map((value, n) => value - meanY - slope * (x[n]! - meanX));
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (const [n, value] of a.entries()) {
    product += (value - meanA) * (b[n]! - meanB);
    squareA += (value - meanA) ** 2;
    squareB += (b[n]! - meanB) ** 2;
  }
  return squareA * squareB === 0 ? 0 : product / Math.sqrt(squareA * squareB);
}
