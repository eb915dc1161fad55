// The standard normal distribution, to about seven digits: enough for the corrections of a bootstrap interval.

/** P(Z <= x). Rational Chebyshev fit of erfc, W. H. Press et al., Numerical Recipes, section 6.2.2; relative error below 1.2e-7. */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 2 / (2 + z);
  const coefficients = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277,
  ];
  const polynomial = coefficients.reduceRight((sum, c) => sum * t + c, 0);
  const upper = (t * Math.exp(-z * z + polynomial)) / 2;
  return x > 0 ? 1 - upper : upper;
}

/** The x with P(Z <= x) = p. Bisection on the distribution above: one definition, no second set of coefficients. */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`normalQuantile(${p}): need a probability`);
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -normalQuantile(1 - p);
  let [low, high] = [-40, 0];
  while (high - low > 1e-12) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
