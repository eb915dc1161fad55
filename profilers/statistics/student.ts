// Student's t: widens an interval whose spread was estimated from few values.
import { mean, squaredDeviations } from "./summary.ts";

/**
 * Lanczos approximation of log(gamma(x)), x > 0 (W. H. Press et al., Numerical Recipes, section 6.1).
 * Relative error below 2e-10.
 */
function logGamma(x: number): number {
  const coefficients = [
    76.18009172947146, -86.50532032941678, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2,
    -0.5395239384953e-5,
  ];
  const series = coefficients.reduce((sum, c, n) => sum + c / (x + n + 1), 1.000000000190015);
  const base = x + 5.5;
  return (x + 0.5) * Math.log(base) - base + Math.log((2.5066282746310007 * series) / x);
}

/**
 * Continued fraction of the regularised incomplete beta function I_x(a, b), by Lentz's method. Converges for
 * x < (a + 1) / (a + b + 2).
 */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  const nonZero = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / nonZero(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let n = 1; n <= 500; n++) {
    const even = (n * (b - n) * x) / ((a + 2 * n - 1) * (a + 2 * n));
    const odd = (-(a + n) * (a + b + n) * x) / ((a + 2 * n) * (a + 2 * n + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / nonZero(1 + term * d);
      c = nonZero(1 + term / c);
      change = d * c;
      result *= change;
    }
    if (Math.abs(change - 1) < 1e-15) break;
  }
  return result;
}

function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/** Returns P(T <= t) with `degrees` degrees of freedom (any number above 0). */
export function tCdf(t: number, degrees: number): number {
  const tail = incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2;
  return t > 0 ? 1 - tail : tail;
}

/** Returns the t with P(T <= t) = p, by bisection on tCdf. */
export function tQuantile(p: number, degrees: number): number {
  if (!(p > 0 && p < 1 && degrees > 0))
    throw new RangeError(`tQuantile(${p}, ${degrees}): need a probability inside (0, 1) and degrees above 0`);
  if (p < 0.5) return -tQuantile(1 - p, degrees);
  let [low, high] = [0, 1];
  while (tCdf(high, degrees) < p && high < 1e12) high *= 2;
  while (high - low > 1e-10 * Math.max(1, high)) {
    const middle = (low + high) / 2;
    if (tCdf(middle, degrees) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Returns the 95% interval of the mean of independent samples (seeds); null for fewer than two. */
export function meanInterval(samples: readonly number[]): readonly [number, number] | null {
  const n = samples.length;
  if (n < 2) return null;
  const center = mean(samples);
  // Three decimals, as printed tables have them, so that intervals of earlier results stay equal to the last
  // digit.
  const t = Number(tQuantile(0.975, n - 1).toFixed(3));
  const half = t * Math.sqrt(squaredDeviations(samples) / (n - 1) / n);
  return [center - half, center + half];
}
