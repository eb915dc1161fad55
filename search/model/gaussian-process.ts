// Gaussian-process regression (Rasmussen & Williams 2006). The kernel is Matern 5/2 with one relevance per
// feature group, plus a linear kernel, plus noise. Hyperparameters are found by maximum a posteriori with
// analytic gradients. Deterministic: no random restarts.
import { cholesky, inverse, solveLower, solveUpper } from "./linear-algebra.ts";

/** Logarithms: signal variance, linear variance, noise variance, then one inverse length per group. */
export type Hyperparameters = readonly number[];

export interface Prediction {
  readonly mean: number;
  readonly sd: number;
}

const SIGNAL = 0;
const LINEAR = 1;
const NOISE = 2;
const FIRST_GROUP = 3;
const MIN_LOG_NOISE = Math.log(1e-6);

/** Gaussian priors on the logarithms. Targets are standardised, so these scales apply to every metric. */
const prior = (groups: number): readonly { readonly mean: number; readonly sd: number }[] => [
  { mean: 0, sd: 1 },
  { mean: Math.log(0.3), sd: 1.5 },
  { mean: Math.log(1e-3), sd: 2 },
  ...Array.from({ length: groups }, () => ({ mean: -0.5 * Math.log(groups), sd: 1.5 })),
];

/** Returns the means of the priors, as a start for `groups` feature groups. */
export const defaultHyperparameters = (groups: number): Hyperparameters =>
  prior(groups).map(({ mean }) => mean);

/**
 * Inputs of the training set: scaled features, their groups, and the distances between all pairs in each
 * group.
 */
export class Inputs {
  readonly rows: readonly Float64Array[];
  readonly groups: readonly number[];
  readonly groupCount: number;
  private readonly center: Float64Array;
  private readonly scale: Float64Array;
  /** distances[g][i * n + j], i > j: squared distance within group g. */
  readonly distances: readonly Float64Array[];

  constructor(features: readonly (readonly number[])[], groups: readonly number[]) {
    const width = groups.length;
    const n = features.length;
    this.groups = groups;
    this.groupCount = Math.max(...groups) + 1;
    this.center = new Float64Array(width);
    this.scale = new Float64Array(width);
    const spread = new Float64Array(this.groupCount);
    for (let k = 0; k < width; k++) {
      const mean = features.reduce((sum, row) => sum + row[k]!, 0) / n;
      this.center[k] = mean;
      spread[groups[k]!]! += features.reduce((sum, row) => sum + (row[k]! - mean) ** 2, 0) / n;
    }
    // Each group in total gets variance 1/2, so that two random points have an expected squared distance of 1
    // in it.
    for (let k = 0; k < width; k++) this.scale[k] = 1 / Math.sqrt(2 * spread[groups[k]!]! || 1);
    this.rows = features.map((row) => this.transform(row));
    this.distances = Array.from({ length: this.groupCount }, () => new Float64Array(n * n));
    for (let i = 0; i < n; i++)
      for (let j = 0; j < i; j++)
        for (let k = 0; k < width; k++) {
          const difference = this.rows[i]![k]! - this.rows[j]![k]!;
          if (difference !== 0) this.distances[groups[k]!]![i * n + j]! += difference * difference;
        }
  }

  transform(features: readonly number[]): Float64Array {
    return Float64Array.from(features, (value, k) => (value - this.center[k]!) * this.scale[k]!);
  }
}

const ROOT5 = Math.sqrt(5);

/** A Gaussian process conditioned on targets. */
export class GaussianProcess {
  readonly hyperparameters: Hyperparameters;
  private readonly inputs: Inputs;
  private readonly weights: Float64Array;
  private readonly factor: Float64Array;
  private readonly alpha: Float64Array;
  private readonly mean: number;
  private readonly scale: number;

  /**
   * Conditions on the targets. First, `steps` of gradient ascent improve the hyperparameters (0: they are
   * used unchanged).
   */
  constructor(inputs: Inputs, targets: readonly number[], start: Hyperparameters, steps: number) {
    this.inputs = inputs;
    const n = targets.length;
    this.mean = targets.reduce((sum, value) => sum + value, 0) / n;
    this.scale = Math.sqrt(targets.reduce((sum, value) => sum + (value - this.mean) ** 2, 0) / n) || 1;
    const y = Float64Array.from(targets, (value) => (value - this.mean) / this.scale);
    this.hyperparameters = steps > 0 ? ascend(inputs, y, start, steps) : start;
    const fitted = condition(inputs, y, this.hyperparameters);
    this.factor = fitted.factor;
    this.alpha = fitted.alpha;
    const { hyperparameters, groups } = { hyperparameters: this.hyperparameters, groups: inputs.groups };
    this.weights = Float64Array.from(groups, (group) => Math.exp(2 * hyperparameters[FIRST_GROUP + group]!));
  }

  /** Returns the posterior of the noiseless function at a point, in the units of the targets. */
  predict(features: readonly number[]): Prediction {
    const x = this.inputs.transform(features);
    const signal = Math.exp(this.hyperparameters[SIGNAL]!);
    const linear = Math.exp(this.hyperparameters[LINEAR]!) * (2 / this.inputs.groupCount);
    const n = this.inputs.rows.length;
    const k = new Float64Array(n);
    let mean = 0;
    for (let i = 0; i < n; i++) {
      const row = this.inputs.rows[i]!;
      let squared = 0;
      let dot = 0;
      for (let f = 0; f < x.length; f++) {
        const difference = x[f]! - row[f]!;
        squared += this.weights[f]! * difference * difference;
        dot += x[f]! * row[f]!;
      }
      k[i] = signal * matern(Math.sqrt(squared)) + linear * dot;
      mean += k[i]! * this.alpha[i]!;
    }
    const v = solveLower(this.factor, k);
    let variance = signal + linear * x.reduce((sum, value) => sum + value * value, 0);
    for (const value of v) variance -= value * value;
    return { mean: this.mean + this.scale * mean, sd: this.scale * Math.sqrt(Math.max(variance, 1e-12)) };
  }
}

const matern = (r: number): number => (1 + ROOT5 * r + (5 / 3) * r * r) * Math.exp(-ROOT5 * r);

interface Conditioned {
  readonly factor: Float64Array;
  readonly alpha: Float64Array;
  /** Scaled distances r, and the Matern and linear parts of the covariance; lower triangle. */
  readonly r: Float64Array;
  readonly smooth: Float64Array;
  readonly dots: Float64Array;
}

function condition(inputs: Inputs, y: Float64Array, h: Hyperparameters): Conditioned {
  const n = y.length;
  const [signal, linear] = [Math.exp(h[SIGNAL]!), Math.exp(h[LINEAR]!) * (2 / inputs.groupCount)];
  const squared = new Float64Array(n * n);
  for (const [group, distances] of inputs.distances.entries()) {
    const weight = Math.exp(2 * h[FIRST_GROUP + group]!);
    for (let p = 0; p < n * n; p++) squared[p]! += weight * distances[p]!;
  }
  const r = squared.map(Math.sqrt);
  const smooth = new Float64Array(n * n);
  const dots = new Float64Array(n * n);
  const covariance = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const p = i * n + j;
      const [a, b] = [inputs.rows[i]!, inputs.rows[j]!];
      let dot = 0;
      for (let f = 0; f < a.length; f++) dot += a[f]! * b[f]!;
      smooth[p] = signal * matern(r[p]!);
      dots[p] = linear * dot;
      covariance[p] = smooth[p]! + dots[p]!;
    }
  // The noise keeps the matrix positive definite. Near-duplicates of a noiseless function may need more
  // noise.
  for (let noise = Math.exp(h[NOISE]!); ; noise *= 10) {
    const regular = Float64Array.from(covariance);
    for (let i = 0; i < n; i++) regular[i * n + i]! += noise;
    const factor = cholesky(regular, n);
    if (factor !== null) return { factor, alpha: solveUpper(factor, solveLower(factor, y)), r, smooth, dots };
  }
}

/** Returns the log posterior density of the hyperparameters (up to a constant) and its gradient. */
export function logPosterior(
  inputs: Inputs,
  y: Float64Array,
  h: Hyperparameters,
): { readonly value: number; readonly gradient: Float64Array } {
  const n = y.length;
  const { factor, alpha, r, smooth, dots } = condition(inputs, y, h);
  const precision = inverse(factor, n);
  const gradient = new Float64Array(h.length);
  let value = 0;
  for (let i = 0; i < n; i++) value -= 0.5 * y[i]! * alpha[i]! + Math.log(factor[i * n + i]!);
  // d log p / d theta = 1/2 tr((alpha alpha^T - K^-1) dK/dtheta). Off-diagonal pairs count twice.
  const signal = Math.exp(h[SIGNAL]!);
  const slopes = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const p = i * n + j;
      const outer = (alpha[i]! * alpha[j]! - precision[p]!) * (i === j ? 0.5 : 1);
      gradient[SIGNAL]! += outer * smooth[p]!;
      gradient[LINEAR]! += outer * dots[p]!;
      if (i === j) gradient[NOISE]! += outer * Math.exp(h[NOISE]!);
      // d matern / d r^2 = -5/6 (1 + sqrt5 r) exp(-sqrt5 r). r^2 is quadratic in the inverse length, hence a
      // factor 2.
      slopes[p] = outer * signal * (-5 / 3) * (1 + ROOT5 * r[p]!) * Math.exp(-ROOT5 * r[p]!);
    }
  for (const [group, distances] of inputs.distances.entries()) {
    let sum = 0;
    for (let p = 0; p < n * n; p++) sum += slopes[p]! * distances[p]!;
    gradient[FIRST_GROUP + group] = sum * Math.exp(2 * h[FIRST_GROUP + group]!);
  }
  for (const [index, { mean, sd }] of prior(inputs.groupCount).entries()) {
    value -= 0.5 * ((h[index]! - mean) / sd) ** 2;
    gradient[index]! -= (h[index]! - mean) / sd ** 2;
  }
  return { value, gradient };
}

/** Adam (Kingma & Ba 2015) on the logarithms. The best point visited is returned. */
function ascend(inputs: Inputs, y: Float64Array, start: Hyperparameters, steps: number): Hyperparameters {
  const rate = 0.15;
  let h = [...start];
  let best = { value: Number.NEGATIVE_INFINITY, h };
  const first = new Float64Array(h.length);
  const second = new Float64Array(h.length);
  for (let step = 1; step <= steps; step++) {
    const { value, gradient } = logPosterior(inputs, y, h);
    if (value > best.value) best = { value, h };
    h = h.map((theta, index) => {
      first[index] = 0.9 * first[index]! + 0.1 * gradient[index]!;
      second[index] = 0.99 * second[index]! + 0.01 * gradient[index]! ** 2;
      const direction = first[index]! / (1 - 0.9 ** step);
      const size = Math.sqrt(second[index]! / (1 - 0.99 ** step)) + 1e-8;
      const moved = theta + (rate * direction) / size;
      return index === NOISE ? Math.max(moved, MIN_LOG_NOISE) : moved;
    });
  }
  return best.h;
}
