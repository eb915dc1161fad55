// A device that throttles, as a scripted source of runs: its speed follows a curve over the runs, every run carries independent
// log-normal noise. Used to count how often the comparison errs, which no real device could show in reasonable time.

import type { Rng } from "../../candidates/space.ts";
import type { RunSide } from "../../profilers/compare.ts";
import { normal } from "../../search/rng.ts";

/** Slow-down at a run (1 = full speed), drawn anew for each comparison. */
export type Curve = (rng: Rng, runs: number) => (run: number) => number;

export const curves = {
  /** A phone heating up: full speed for a while, then an exponential approach to a third slower. */
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
  /** Throttle and recover, again and again. */
  sawtooth: (rng) => {
    const period = 6 + rng.below(12);
    const phase = rng.below(period);
    return (run) => 1 + (0.25 * ((run + phase) % period)) / period;
  },
} as const satisfies Record<string, Curve>;

/** Every run takes 100 ms times the curve and the noise; B takes `ratio` times as long as A. */
export function throttledSource(
  curve: Curve,
  pairs: number,
  ratio: number,
  noise: number,
  rng: Rng,
): RunSide {
  const slowdown = curve(rng, 2 * pairs);
  let run = 0;
  return async (side) => {
    const ms = 100 * slowdown(run++) * Math.exp(noise * normal(rng)) * (side === "b" ? ratio : 1);
    return { ttftMs: ms };
  };
}
