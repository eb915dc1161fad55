// A front under noise: how likely each point is non-dominated given its measurements' intervals, and which points to measure
// again. Errors are taken as Gaussian and independent between trials and objectives.

import type { Rng } from "../../candidates/space.ts";
import { dominates, type Vector } from "../pareto.ts";
import { normal } from "../rng.ts";

/** Oriented means (smaller is better) and the standard errors of these means; 0 where a value is exact. */
export interface NoisyPoint {
  readonly id: string;
  readonly mean: Vector;
  readonly standardError: Vector;
  /** Measurements taken so far: what another one adds falls with it. */
  readonly repetitions: number;
}

const DRAWS = 2000;

/** By draws from all points at once: the share of draws in which each point is non-dominated. Same rng state, same answer. */
export function frontProbabilities(points: readonly NoisyPoint[], rng: Rng, draws = DRAWS): number[] {
  const { certain, open } = split(points);
  const count = new Array<number>(points.length).fill(0);
  const contested = open.length;
  for (let n = 0; n < draws && contested > 0; n++) {
    const drawn = open.map((index) => draw(points[index]!, rng));
    for (const [place, vector] of drawn.entries()) {
      if (!drawn.some((other) => dominates(other, vector))) count[open[place]!]!++;
    }
  }
  return points.map((_, index) => (certain.has(index) ? 0 : count[index]! / draws));
}

export interface Repetition {
  readonly id: string;
  readonly probability: number;
  /** Expected drop of doubt (p(1-p)) by one more measurement, relative to other points only. */
  readonly worth: number;
}

/**
 * Points worth another measurement, most first: those whose place on the front is in doubt, less so the more often they were
 * measured (the standard error falls by 1 - sqrt(r / (r + 1))).
 */
export function whatToRepeat(points: readonly NoisyPoint[], probabilities: readonly number[]): Repetition[] {
  return points
    .map(({ id, repetitions, standardError }, index) => {
      const probability = probabilities[index]!;
      const gain = standardError.every((error) => error === 0)
        ? 0
        : 1 - Math.sqrt(repetitions / (repetitions + 1));
      return { id, probability, worth: probability * (1 - probability) * gain };
    })
    .filter(({ worth }) => worth > 0)
    .sort((a, b) => b.worth - a.worth || (a.id < b.id ? -1 : 1));
}

const draw = ({ mean, standardError }: NoisyPoint, rng: Rng): number[] =>
  mean.map((value, m) => (standardError[m]! > 0 ? value + standardError[m]! * normal(rng) : value));

/** Points dominated by more than 6 standard errors everywhere are left out of the draws: most of a long sweep. */
function split(points: readonly NoisyPoint[]): { certain: ReadonlySet<number>; open: readonly number[] } {
  const certain = new Set<number>();
  for (const [index, point] of points.entries()) {
    const hopeless = points.some(
      (other, place) =>
        place !== index &&
        other.mean.every((value, m) => {
          const error = Math.hypot(other.standardError[m]!, point.standardError[m]!);
          return error > 0 ? value + 6 * error < point.mean[m]! : value <= point.mean[m]!;
        }) &&
        dominates(other.mean, point.mean),
    );
    if (hopeless) certain.add(index);
  }
  return { certain, open: points.map((_, index) => index).filter((index) => !certain.has(index)) };
}
