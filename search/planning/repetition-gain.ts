// What repeating a measurement is worth, in the unit of what evaluating a layout is worth: hypervolume. By how much the front's is expected to
// be wrong because of one point's error, and the part of that which one more measurement takes away. Errors are Gaussian and independent.
import type { Rng } from "../../candidates/space.ts";
import { hypervolumeImprovement, referencePoint } from "../hypervolume.ts";
import type { NoisyPoint } from "../noise/front-chance.ts";
import { nonDominated } from "../pareto.ts";
import { normal } from "../rng.ts";

/** One more measurement of some of a point's objectives. */
export interface Repeatable {
  /** Its place among the points. */
  readonly point: number;
  /** Places of the objectives that are measured again. */
  readonly objectives: readonly number[];
  /** Measurements of them so far. */
  readonly taken: number;
}

const DRAWS = 256;
/** A point that stays behind even when it is this many standard errors better moves no front. */
const REACH = 4;

/**
 * Expected gain of each: the mean absolute error of the hypervolume under draws of the point, times 1 - sqrt(r / (r + 1)), the share of a
 * standard error that the (r + 1)th measurement takes away. Other points stay at their means. Every point sees the same draws, so that of
 * two that differ in nothing but their error the one in more doubt is worth more. Same rng state, same answer.
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
