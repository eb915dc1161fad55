// Samples true values of layouts given noisy ones: a Gibbs sampler over a mixture of normal distributions
// from which the layouts are assumed to come. The best of many noisy values was partly lucky, and the
// population tells how lucky. A mixture is needed, since layouts that can recall and layouts that cannot are
// two populations. Spreads have the weakly informative prior of Huang and Wand 2013, "Simple marginally
// noninformative prior distributions for covariance matrices". A plug-in estimate of one population was
// rejected: with 20 layouts its covariance may come out flat, and then every layout would certainly be on the
// front.
import type { Rng } from "../../candidates/space.ts";
import { cholesky, inverse } from "../model/linear-algebra.ts";
import { chiSquare, normal } from "../rng.ts";

/** Noisy values of one layout, on objectives scaled to unit spread. */
export interface NoisyValues {
  readonly mean: readonly number[];
  /** Variance of each value's noise; 0 where the value is exact. */
  readonly noise: readonly number[];
}

interface Component {
  center: Float64Array;
  /** Covariance, m x m, row-major. */
  spread: Float64Array;
  /** Scale of each objective's spread (a in Huang and Wand). */
  scales: Float64Array;
  weight: number;
}

/** Largest number of populations in the mixture. */
const COMPONENTS = 2;
/** Degrees of freedom of the half-t prior of each spread. With 2, correlations are uniform. */
const NU = 2;
/** Scale of that prior, for objectives of unit spread. */
const SCALE = 1;
/** Prior variance of the components' centres. */
const CENTER_VARIANCE = 4;

/** Lower factor of a covariance. Directions without variance get zeros. */
function factor(a: Float64Array, m: number): Float64Array {
  const l = new Float64Array(m * m);
  for (let i = 0; i < m; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * m + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * m + k]! * l[j * m + k]!;
      if (i === j) l[i * m + i] = Math.sqrt(Math.max(sum, 0));
      else l[i * m + j] = l[j * m + j]! > 1e-9 ? sum / l[j * m + j]! : 0;
    }
  return l;
}

const inverted = (a: Float64Array, m: number): Float64Array => {
  const jittered = Float64Array.from(a);
  for (let i = 0; i < m; i++) jittered[i * m + i]! += 1e-12;
  return inverse(cholesky(jittered, m)!, m);
};

/** Adds a normal vector with the covariance L L^T to `center`. */
function drawNormal(center: ArrayLike<number>, l: Float64Array, m: number, rng: Rng): Float64Array {
  const out = Float64Array.from(center);
  for (let k = 0; k < m; k++) {
    const z = normal(rng);
    for (let i = k; i < m; i++) out[i]! += l[i * m + k]! * z;
  }
  return out;
}

/** Draws a covariance from the inverse Wishart distribution (Bartlett's decomposition). */
function drawInverseWishart(degrees: number, scale: Float64Array, m: number, rng: Rng): Float64Array {
  const outer = factor(inverted(scale, m), m);
  const a = new Float64Array(m * m);
  for (let i = 0; i < m; i++) {
    a[i * m + i] = Math.sqrt(chiSquare(degrees - i, rng));
    for (let j = 0; j < i; j++) a[i * m + j] = normal(rng);
  }
  const root = multiply(outer, a, m);
  return inverted(multiply(root, transposed(root, m), m), m);
}

function multiply(a: Float64Array, b: Float64Array, m: number): Float64Array {
  const out = new Float64Array(m * m);
  for (let i = 0; i < m; i++)
    for (let k = 0; k < m; k++) {
      const value = a[i * m + k]!;
      for (let j = 0; j < m; j++) out[i * m + j]! += value * b[k * m + j]!;
    }
  return out;
}

function transposed(a: Float64Array, m: number): Float64Array {
  const out = new Float64Array(m * m);
  for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) out[j * m + i] = a[i * m + j]!;
  return out;
}

/**
 * A component combined with a layout's noise: (spread + noise)^-1, its log determinant, and the posterior's
 * gain and factor.
 */
interface Match {
  readonly precision: Float64Array;
  readonly logDeterminant: number;
  readonly gain: Float64Array;
  readonly root: Float64Array;
}

function matchOf({ spread }: Component, noise: readonly number[], m: number): Match {
  const total = Float64Array.from(spread);
  for (let i = 0; i < m; i++) total[i * m + i]! += noise[i]! + 1e-12;
  const l = cholesky(total, m)!;
  let logDeterminant = 0;
  for (let i = 0; i < m; i++) logDeterminant += 2 * Math.log(l[i * m + i]!);
  const precision = inverse(l, m);
  const gain = multiply(spread, precision, m);
  // The remaining covariance: gain x noise, which is symmetric in exact arithmetic.
  const left = new Float64Array(m * m);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < m; j++)
      left[i * m + j] = (gain[i * m + j]! * noise[j]! + gain[j * m + i]! * noise[i]!) / 2;
  return { precision, logDeterminant, gain, root: factor(left, m) };
}

/** The sampler over true values and their mixture, in the state of one draw. */
export class Population {
  private readonly m: number;
  private readonly components: Component[];
  private truths: Float64Array[];
  private members: number[];

  constructor(
    private readonly values: readonly NoisyValues[],
    private readonly rng: Rng,
  ) {
    this.m = values[0]!.mean.length;
    this.truths = values.map(({ mean }) => Float64Array.from(mean));
    this.members = values.map(() => rng.below(COMPONENTS));
    this.components = Array.from({ length: COMPONENTS }, () => this.fresh());
  }

  private fresh(): Component {
    const { m } = this;
    const spread = new Float64Array(m * m);
    for (let i = 0; i < m; i++) spread[i * m + i] = 1;
    return {
      center: new Float64Array(m),
      spread,
      scales: new Float64Array(m).fill(1),
      weight: 1 / COMPONENTS,
    };
  }

  /**
   * Takes one step and returns the drawn true values. `noiseScale`: factor on each objective's estimated
   * noise.
   */
  step(noiseScale: readonly number[]): readonly Float64Array[] {
    this.drawMembersAndTruths(noiseScale);
    this.components.forEach((component, k) => {
      const own = this.truths.filter((_, n) => this.members[n] === k);
      this.drawCenter(component, own);
      this.drawSpread(component, own);
    });
    const shares = this.components.map((_, k) => {
      const count = this.members.filter((member) => member === k).length;
      return chiSquare(2 * (1 + count), this.rng);
    });
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (const [k, component] of this.components.entries()) component.weight = shares[k]! / total;
    return this.truths;
  }

  private drawMembersAndTruths(noiseScale: readonly number[]): void {
    const { m, rng, components } = this;
    const matches = components.map(() => new Map<string, Match>());
    for (const [n, { mean, noise }] of this.values.entries()) {
      const own = noise.map((variance, i) => variance * noiseScale[i]!);
      const key = noise.join();
      const found = components.map((component, k) => {
        const match = matches[k]!.get(key) ?? matchOf(component, own, m);
        matches[k]!.set(key, match);
        return match;
      });
      const logs = components.map(({ center, weight }, k) => {
        let square = 0;
        const { precision, logDeterminant } = found[k]!;
        for (let i = 0; i < m; i++)
          for (let j = 0; j < m; j++)
            square += (mean[i]! - center[i]!) * precision[i * m + j]! * (mean[j]! - center[j]!);
        return Math.log(weight) - (logDeterminant + square) / 2;
      });
      const k = pick(logs, rng);
      this.members[n] = k;
      const { gain, root } = found[k]!;
      const middle = Float64Array.from(components[k]!.center);
      for (let i = 0; i < m; i++)
        for (let j = 0; j < m; j++) middle[i]! += gain[i * m + j]! * (mean[j]! - components[k]!.center[j]!);
      const truth = drawNormal(middle, root, m, rng);
      for (let i = 0; i < m; i++) if (noise[i] === 0) truth[i] = mean[i]!;
      this.truths[n] = truth;
    }
  }

  private drawCenter(component: Component, own: readonly Float64Array[]): void {
    const { m, rng } = this;
    const precision = inverted(component.spread, m);
    const sum = new Float64Array(m);
    for (const truth of own) for (let i = 0; i < m; i++) sum[i]! += truth[i]!;
    const total = precision.map((value) => value * own.length);
    for (let i = 0; i < m; i++) total[i * m + i]! += 1 / CENTER_VARIANCE;
    const covariance = inverted(total, m);
    const middle = new Float64Array(m);
    const weighted = new Float64Array(m);
    for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) weighted[i]! += precision[i * m + j]! * sum[j]!;
    for (let i = 0; i < m; i++)
      for (let j = 0; j < m; j++) middle[i]! += covariance[i * m + j]! * weighted[j]!;
    component.center = drawNormal(middle, factor(covariance, m), m, rng);
  }

  private drawSpread(component: Component, own: readonly Float64Array[]): void {
    const { m, rng } = this;
    const precision = inverted(component.spread, m);
    for (let i = 0; i < m; i++)
      component.scales[i] = (NU * precision[i * m + i]! + 1 / SCALE ** 2) / (chiSquare(NU + m, rng) / 2);
    const scatter = new Float64Array(m * m);
    for (let i = 0; i < m; i++) scatter[i * m + i] = (2 * NU) / component.scales[i]!;
    for (const truth of own)
      for (let i = 0; i < m; i++)
        for (let j = 0; j < m; j++)
          scatter[i * m + j]! += (truth[i]! - component.center[i]!) * (truth[j]! - component.center[j]!);
    component.spread = drawInverseWishart(NU + m - 1 + own.length, scatter, m, rng);
  }
}

/** Draws an index by its logarithmic weight. */
function pick(logs: readonly number[], rng: Rng): number {
  const most = Math.max(...logs);
  const weights = logs.map((log) => Math.exp(log - most));
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [k, weight] of weights.entries()) {
    left -= weight;
    if (left <= 0) return k;
  }
  return logs.length - 1;
}
