// The standard normal distribution.

/**
 * Returns the standard normal distribution function, to double precision: Hart's rational approximation as
 * given by West (2005).
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z);
  if (x > 37) return z > 0 ? 1 : 0;
  const density = Math.exp(-0.5 * x * x);
  let tail: number;
  if (x < 7.07106781186547) {
    const above = [
      3.52624965998911e-2, 0.700383064443688, 6.37396220353165, 33.912866078383, 112.079291497871,
      221.213596169931, 220.206867912376,
    ];
    const under = [
      8.83883476483184e-2, 1.75566716318264, 16.064177579207, 86.7807322029461, 296.564248779674,
      637.333633378831, 793.826512519948, 440.413735824752,
    ];
    const horner = (terms: readonly number[]): number => terms.reduce((sum, term) => sum * x + term, 0);
    tail = (density * horner(above)) / horner(under);
  } else {
    const fraction = x + 1 / (x + 2 / (x + 3 / (x + 4 / (x + 0.65))));
    tail = density / fraction / Math.sqrt(2 * Math.PI);
  }
  return z > 0 ? 1 - tail : tail;
}

/**
 * Returns P(Z <= x) to about seven digits, which is enough for the corrections of a bootstrap interval.
 * Stored interval ends were computed with it. Rational Chebyshev fit of erfc, W. H. Press et al., Numerical
 * Recipes, section 6.2.2; relative error below 1.2e-7.
 */
export function normalCdf7(x: number): number {
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

/**
 * Returns the x with P(Z <= x) = p, to seven digits by bisection on the distribution. A rational
 * approximation was rejected: it would be a second set of coefficients.
 */
export function normalQuantile(p: number): number {
  if (!(p >= 0 && p <= 1)) throw new RangeError(`normalQuantile(${p}): need a probability`);
  if (p === 0) return Number.NEGATIVE_INFINITY;
  if (p === 1) return Number.POSITIVE_INFINITY;
  if (p > 0.5) return -normalQuantile(1 - p);
  let [low, high] = [-40, 0];
  while (high - low > 1e-12) {
    const middle = (low + high) / 2;
    if (normalCdf7(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
