// Values repeating a measurement in the same unit as evaluating a layout: hypervolume. One point's error
// makes the front's volume wrong by some expected amount. The gain is the part of that amount that one more
// measurement removes. Errors are Gaussian and independent.
import type { Rng } from "../../candidates/space.ts";
import { hypervolumeImprovement, referencePoint } from "../hypervolume.ts";
import type { NoisyPoint } from "../noise/front-chance.ts";
import { nonDominated } from "../pareto.ts";
import { normal } from "../rng.ts";

/** One more measurement of some of a point's objectives. */
export interface Repeatable {
  /** Index of the point. */
  readonly point: number;
  /** Indices of the objectives that are measured again. */
  readonly objectives: readonly number[];
  /** Number of measurements of these objectives so far. */
  readonly taken: number;
}

const DRAWS = 256;
/** A point cannot move the front if it stays dominated even when this many standard errors better. */
const REACH = 4;

/**
 * Returns the expected gain of each repetition: the mean absolute error of the hypervolume under draws of the
 * point, times 1 - sqrt(r / (r + 1)). That factor is the share of a standard error that the (r + 1)th
 * measurement removes. Other points stay at their means. All points see the same draws: of two that differ
 * only in their error, the more doubtful one gains more. The same rng state gives the same answer.
 */
export function repetitionGains(
  points: readonly NoisyPoint[],
  asked: readonly Repeatable[],
  rng: Rng,
): readonly number[] {
  if (points.length === 0) return [];
  const vectors = points.map(({ mean }) => mean);
  const reference = referencePoint(vectors);
  const draws = Array.from({ length: DRAWS }, () => reference.map(() => normal(rng)));
  return asked.map(({ point, objectives, taken }) => {
    const { mean, standardError } = points[point]!;
    const errors = mean.map((_, m) => (objectives.includes(m) ? standardError[m]! : 0));
    if (errors.every((error) => error === 0)) return 0;
    const others = vectors.toSpliced(point, 1);
    const front = nonDominated(others).map((index) => others[index]!);
    const volume = (moved: readonly number[]): number =>
      hypervolumeImprovement(
        mean.map((value, m) => value + moved[m]! * errors[m]!),
        front,
        reference,
      );
    const own = volume(mean.map(() => 0));
    if (own === 0 && volume(mean.map(() => -REACH)) === 0) return 0;
    const error = draws.reduce((sum, moved) => sum + Math.abs(volume(moved) - own), 0) / DRAWS;
    return error * (1 - Math.sqrt(taken / (taken + 1)));
  });
}
