// A device that throttles, as a scripted source of runs: its speed follows a curve over the runs, and every
// run has independent noise. It counts how often the comparison errs, which no real device could show in
// reasonable time.

import type { Rng } from "../../candidates/space.ts";
import type { RunSide } from "../../profilers/compare.ts";
import { normal } from "../../search/rng.ts";

/** Slow-down at a run (1 = full speed), drawn for each comparison. */
export type Curve = (rng: Rng, runs: number) => (run: number) => number;

export const curves = {
  /** A phone that heats up: full speed for a while, then an exponential approach to a third slower. */
  heating: (rng, runs) => {
    const onset = rng.next() * runs * 0.5;
    const depth = 0.2 + 0.2 * rng.next();
    return (run) => 1 + (run < onset ? 0 : depth * (1 - Math.exp(-(run - onset) / (0.15 * runs))));
  },
  /** A governor that steps down once. */
  step: (rng, runs) => {
    const at = rng.next() * runs;
    return (run) => (run < at ? 1 : 1.25);
  },
  /** Throttles and recovers, repeatedly. */
  sawtooth: (rng) => {
    const period = 6 + rng.below(12);
    const phase = rng.below(period);
    return (run) => 1 + (0.25 * ((run + phase) % period)) / period;
  },
} as const satisfies Record<string, Curve>;

/** Curves other than throttling: none, an effect of running two at a time, and other programs' work. */
export const otherCurves = {
  steady: () => () => 1,
  /** Rests before each pair, so that the second run of a pair is always the warmer one. */
  "second slower": () => (run) => (run % 2 === 0 ? 1 : 1.06),
  /** Another process takes a core for a few runs at a time. */
  bursts: (rng) => {
    let busy = false;
    return () => {
      busy = rng.next() < (busy ? 0.7 : 0.1);
      return busy ? 1.6 : 1;
    };
  },
} as const satisfies Record<string, Curve>;

/** Noise of one run's log-time, before scaling. */
export type Tails = (rng: Rng) => number;

export const tails = {
  normal,
  /** Student's t with three degrees of freedom. */
  heavy: (rng) => {
    const square = normal(rng) ** 2 + normal(rng) ** 2 + normal(rng) ** 2;
    return normal(rng) / Math.sqrt(square / 3);
  },
  /** Never much faster than undisturbed, sometimes much slower. */
  skewed: (rng) => Math.exp(0.8 * normal(rng)),
} as const satisfies Record<string, Tails>;

interface Source {
  readonly curve: Curve;
  /** Largest number of pairs, over which the curve stretches. */
  readonly pairs: number;
  /** Time of B divided by that of A. */
  readonly ratio: number;
  /** Scale of the noise of a run. */
  readonly noise: number;
  readonly rng: Rng;
  readonly tails?: Tails;
  /** Metrics of a run, with a common curve and independent noise. Default: `ttftMs` alone. */
  readonly metrics?: readonly string[];
}

/** Returns a source whose runs take 100 ms times the curve and the noise. */
export function throttledSource(source: Source): RunSide {
  const { curve, pairs, ratio, noise, rng, tails: noiseOf = normal, metrics = ["ttftMs"] } = source;
  const slowdown = curve(rng, 2 * pairs);
  let run = 0;
  return async (side) => {
    const ms = 100 * slowdown(run++) * (side === "b" ? ratio : 1);
    return Object.fromEntries(metrics.map((metric) => [metric, ms * Math.exp(noise * noiseOf(rng))]));
  };
}
