// The chance of each layout to be on the front, from its values and from the population of all layouts
// (population.ts). Calibrated by simulations: npm run bench:conclusions -- --only calibration.
import type { Rng } from "../../candidates/space.ts";
import { mean } from "../../profilers/statistics/summary.ts";
import { dominates, type Vector } from "../pareto.ts";
import { chiSquare } from "../rng.ts";
import { Population } from "./population.ts";
import { squaresOf } from "./spread.ts";

/** One layout: oriented values (smaller is better) on a scale where their noise is equal everywhere. */
export interface NoisyPoint {
  readonly id: string;
  readonly mean: Vector;
  /** Standard error of each value; 0 where the value is exact. */
  readonly standardError: Vector;
  /** Degrees of freedom behind each standard error; infinite where the error is known exactly. */
  readonly degrees: Vector;
}

/** Draws that let the sampler forget its start, and draws that count. */
const WARMUP = 200;
const DRAWS = 2000;
/**
 * Limit of draws times layouts, but never fewer than 400 draws. A share of 400 draws has a standard error of
 * 2.5%.
 */
const LAYOUT_DRAWS = 100_000;
const FEWEST_DRAWS = 400;
/**
 * Chance that the model of the layouts is wrong altogether. In that case all layouts are equally likely on
 * the front.
 */
const MODEL_DOUBT = 0.07;

/**
 * Returns, for each layout, the share of draws of all true values in which it is non-dominated. The same
 * points and rng state give the same answer.
 */
export function frontChances(points: readonly NoisyPoint[], rng: Rng): readonly number[] {
  if (points.length === 0) return [];
  const draws = Math.max(FEWEST_DRAWS, Math.min(DRAWS, Math.floor(LAYOUT_DRAWS / points.length)));
  const counts = new Array<number>(points.length).fill(0);
  const open = contested(points);
  if (points.every(({ standardError }) => standardError.every((error) => error === 0))) {
    for (const index of open)
      if (!points.some(({ mean }) => dominates(mean, points[index]!.mean))) counts[index] = 1;
    return counts;
  }
  const objectives = points[0]!.mean.map((_, m) => m);
  const centers = objectives.map((m) => mean(points.map(({ mean }) => mean[m]!)));
  const scales = objectives.map((m) => {
    const { squares, freedom } = squaresOf(points.map(({ mean }) => mean[m]!));
    return squares === 0 ? 1 : Math.sqrt(squares / freedom);
  });
  const population = new Population(
    points.map(({ mean, standardError }) => ({
      mean: mean.map((value, m) => (value - centers[m]!) / scales[m]!),
      noise: standardError.map((error, m) => (error / scales[m]!) ** 2),
    })),
    rng,
  );
  const degrees = objectives.map((m) => Math.min(...points.map((point) => point.degrees[m]!)));
  for (let n = -WARMUP; n < draws; n++) {
    // The standard errors of all layouts are wrong together, because they come from one spread.
    const drawn = population.step(degrees.map((d) => (Number.isFinite(d) ? d / chiSquare(d, rng) : 1)));
    if (n < 0) continue;
    for (const index of open) {
      const own = drawn[index]! as unknown as Vector;
      if (!open.some((other) => dominates(drawn[other]! as unknown as Vector, own))) counts[index]!++;
    }
  }
  const share = mean(counts) / draws;
  return counts.map((count) => (1 - MODEL_DOUBT) * (count / draws) + MODEL_DOUBT * share);
}

/**
 * Indices of the layouts that no other dominates by more than 8 standard errors in every objective. Only a
 * few layouts of a long sweep remain.
 */
function contested(points: readonly NoisyPoint[]): readonly number[] {
  const hopeless = (point: NoisyPoint): boolean =>
    points.some(
      (other) =>
        other !== point &&
        dominates(other.mean, point.mean) &&
        other.mean.every((value, m) => {
          const error = Math.hypot(other.standardError[m]!, point.standardError[m]!);
          return error > 0 ? value + 8 * error < point.mean[m]! : value <= point.mean[m]!;
        }),
    );
  return points.flatMap((point, index) => (hopeless(point) ? [] : [index]));
}
