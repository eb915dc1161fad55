// How likely each layout is on the front, given what is known of its values and of all layouts' (population.ts). Calibrated in made-up worlds:
// npm run bench:conclusions -- --only calibration.
import type { Rng } from "../../candidates/space.ts";
import { mean } from "../../profilers/statistics/summary.ts";
import { dominates, type Vector } from "../pareto.ts";
import { chiSquare } from "../rng.ts";
import { Population } from "./population.ts";
import { squaresOf } from "./spread.ts";

/** One layout: oriented values (smaller is better) on a scale where their noise is the same everywhere. */
export interface NoisyPoint {
  readonly id: string;
  readonly mean: Vector;
  /** Of each value; 0 where it is exact. */
  readonly standardError: Vector;
  /** Degrees of freedom behind each standard error; infinite where it is known. */
  readonly degrees: Vector;
}

/** Draws that let the sampler forget where it began, and draws that count. */
const WARMUP = 200;
const DRAWS = 2000;
/** Draws times layouts at most: a share of 400 draws is known to 2.5%. */
const LAYOUT_DRAWS = 100_000;
const FEWEST_DRAWS = 400;
/** Chance that the model of the layouts is wrong altogether: then one layout is as likely on the front as another. */
const MODEL_DOUBT = 0.07;

/** Share of draws of all layouts' true values in which each layout is non-dominated. Same points and rng state, same answer. */
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
    // The standard errors of all layouts are wrong together: they come from one spread.
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

/** Places of the layouts that are not dominated by more than 8 standard errors everywhere: few of a long sweep. */
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
