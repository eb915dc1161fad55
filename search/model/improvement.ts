// Expected hypervolume improvement, exact for independent Gaussian or log-normal objectives. The region that
// the front leaves open is cut into boxes. Each box's expected gain is a product of one-dimensional gains
// (Yang et al. 2019, Daulton et al. 2020).
import { normalCdf } from "../../profilers/statistics/normal.ts";
import { nonDominated, type Vector } from "../pareto.ts";

/** The belief about one objective of a candidate, oriented (smaller is better). */
export interface Marginal {
  readonly median: number;
  /** E[(a - Y)+]: the expected distance by which the value falls below `a`. */
  expectedBelow(a: number): number;
}

/** Returns a Gaussian belief. */
export function gaussian(mean: number, sd: number): Marginal {
  return {
    median: mean,
    expectedBelow: (a) => {
      const z = (a - mean) / sd;
      return (a - mean) * normalCdf(z) + (sd * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
    },
  };
}

/**
 * Returns a belief restricted to values of at least `bound` (oriented). Probability below the bound moves
 * onto the bound.
 */
export function boundedBelow(belief: Marginal, bound: number): Marginal {
  const beyond = belief.expectedBelow(bound);
  return {
    median: Math.max(bound, belief.median),
    expectedBelow: (a) => (a <= bound ? 0 : belief.expectedBelow(a) - beyond),
  };
}

/**
 * Returns the belief in a positive metric whose logarithm is Gaussian. The oriented value is the metric where
 * smaller is better, else its negative. The formula is that of Black and Scholes 1973.
 */
export function logNormal(mean: number, sd: number, direction: "min" | "max"): Marginal {
  const center = Math.exp(mean);
  const average = Math.exp(mean + 0.5 * sd * sd);
  if (direction === "min") {
    return {
      median: center,
      expectedBelow: (a) => {
        if (a <= 0) return 0;
        const d = (Math.log(a) - mean) / sd;
        return Math.max(0, a * normalCdf(d) - average * normalCdf(d - sd));
      },
    };
  }
  return {
    median: -center,
    expectedBelow: (a) => {
      if (a >= 0) return a + average;
      const d = (mean - Math.log(-a)) / sd;
      return Math.max(0, average * normalCdf(d + sd) + a * normalCdf(d));
    },
  };
}

/**
 * The open region below `reference`, cut at the front's coordinates. Corners are indices into `cuts`, one per
 * objective.
 */
export interface OpenRegion {
  /** Ascending. The first is -Infinity, the last is the reference. */
  readonly cuts: readonly (readonly number[])[];
  readonly boxes: readonly { readonly low: readonly number[]; readonly high: readonly number[] }[];
}

/**
 * Returns the boxes below the reference that `front` does not dominate (smaller is better). In 2 dimensions
 * there are n + 1.
 */
export function openRegion(front: readonly Vector[], reference: Vector): OpenRegion {
  const within = front.filter((point) => point.every((value, m) => value < reference[m]!));
  const cuts = reference.map((limit, m) => [
    ...new Set([Number.NEGATIVE_INFINITY, ...within.map((point) => point[m]!).sort((a, b) => a - b), limit]),
  ]);
  const places = cuts.map((values) => new Map(values.map((value, place) => [value, place])));
  const indexed = within.map((point) => point.map((value, m) => places[m]!.get(value)!));
  return {
    cuts,
    boxes: cut(
      indexed,
      cuts.map((values) => values.length - 1),
    ),
  };
}

type Box = OpenRegion["boxes"][number];

/**
 * Cuts slabs along the last objective. In each slab, the points already passed close their part of the other
 * objectives.
 */
function cut(points: readonly (readonly number[])[], ends: readonly number[]): Box[] {
  const last = ends.length - 1;
  if (last < 0) return points.length === 0 ? [{ low: [], high: [] }] : [];
  const front = nonDominated(points).map((index) => points[index]!);
  const edges = [...new Set([0, ...front.map((point) => point[last]!), ends[last]!])].sort((a, b) => a - b);
  return edges.slice(0, -1).flatMap((low, index) => {
    const passed = front.filter((point) => point[last]! <= low).map((point) => point.slice(0, last));
    const high = edges[index + 1]!;
    return cut(passed, ends.slice(0, last)).map((box) => ({
      low: [...box.low, low],
      high: [...box.high, high],
    }));
  });
}

/** Returns the expected gain in hypervolume of a candidate. Its objectives are assumed independent. */
export function expectedImprovement(region: OpenRegion, beliefs: readonly Marginal[]): number {
  const below = region.cuts.map((values, m) =>
    values.map((value) => (value === Number.NEGATIVE_INFINITY ? 0 : beliefs[m]!.expectedBelow(value))),
  );
  let total = 0;
  for (const { low, high } of region.boxes) {
    let product = 1;
    for (let m = 0; m < below.length; m++) product *= below[m]![high[m]!]! - below[m]![low[m]!]!;
    total += product;
  }
  return total;
}
