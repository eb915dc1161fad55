// Exact hypervolume: the volume that a set of oriented vectors (smaller is better) dominates up to a
// reference point. Uses the WFG algorithm (While, Bradstreet, Barone 2012), with a plane sweep in two
// dimensions, for any number of objectives.
import { nonDominated, type Vector } from "./pareto.ts";

/**
 * Returns the volume dominated by `points` and bounded by `reference`. Only points better than the reference
 * in every objective add volume.
 */
export function hypervolume(points: readonly Vector[], reference: Vector): number {
  return volume(relevant(points, reference), reference);
}

/** Returns the hypervolume that `point` would add to `points`; 0 where it is dominated. */
export function hypervolumeImprovement(point: Vector, points: readonly Vector[], reference: Vector): number {
  if (!inside(point, reference)) return 0;
  return exclusive(point, relevant(points, reference), reference);
}

/**
 * Returns the volume that each point alone contributes: the loss if it were removed. Duplicates contribute
 * nothing.
 */
export function contributions(points: readonly Vector[], reference: Vector): number[] {
  return points.map((point, index) => hypervolumeImprovement(point, points.toSpliced(index, 1), reference));
}

/**
 * Returns a reference point: the worst value of each objective, plus a tenth of the objective's range. Pass
 * non-dominated points: a dominated one, such as a disturbed measurement, would set the scale of every
 * volume. Volumes are comparable under one reference only. An objective without a range is extended by a
 * tenth of its size, or by 1 at zero.
 */
export function referencePoint(points: readonly Vector[], margin = 0.1): Vector {
  const first = points[0];
  if (first === undefined) throw new RangeError("a reference point needs at least one point");
  return first.map((_, m) => {
    const values = points.map((point) => point[m]!);
    const worst = Math.max(...values);
    const range = worst - Math.min(...values);
    return worst + margin * (range > 0 ? range : Math.abs(worst) || 1 / margin);
  });
}

/** Returns the reference point of the non-dominated ones among `points`. */
export const frontReference = (points: readonly Vector[], margin = 0.1): Vector =>
  referencePoint(
    nonDominated(points).map((index) => points[index]!),
    margin,
  );

const inside = (point: Vector, reference: Vector): boolean =>
  point.every((value, m) => value < reference[m]!);

function relevant(points: readonly Vector[], reference: Vector): readonly Vector[] {
  if (!reference.every(Number.isFinite)) throw new RangeError("the reference point must be finite");
  for (const point of points) {
    if (point.length !== reference.length || !point.every(Number.isFinite)) {
      throw new RangeError(
        `[${point.join(", ")}] does not fit a reference of ${reference.length} finite values`,
      );
    }
  }
  const within = points.filter((point) => inside(point, reference));
  return nonDominated(within).map((index) => within[index]!);
}

/**
 * Volume of a front. `front` has no dominated point and lies inside the reference. Equal points are allowed.
 */
function volume(front: readonly Vector[], reference: Vector): number {
  if (front.length === 0) return 0;
  const dimensions = reference.length;
  if (dimensions === 1) return reference[0]! - Math.min(...front.map((point) => point[0]!));
  if (dimensions === 2) return area(front, reference);
  if (front.length === 1)
    return front[0]!.reduce((product, value, m) => product * (reference[m]! - value), 1);
  // Points go from the best of the last objective to the worst. A point, limited by those before it, then
  // shares the last coordinate with all of them. The exclusive part is flat in that objective, so one
  // dimension can be dropped.
  const last = dimensions - 1;
  const sorted = front.toSorted((a, b) => a[last]! - b[last]!);
  const flatReference = reference.slice(0, last);
  let total = 0;
  for (const [index, point] of sorted.entries()) {
    const flat = point.slice(0, last);
    const better = sorted.slice(0, index).map((other) => other.slice(0, last));
    total += (reference[last]! - point[last]!) * exclusive(flat, better, flatReference);
  }
  return total;
}

/** Volume of `point` alone, minus the part that `others` dominate. */
function exclusive(point: Vector, others: readonly Vector[], reference: Vector): number {
  const box = point.reduce((product, value, m) => product * (reference[m]! - value), 1);
  const limited = others.map((other) => other.map((value, m) => Math.max(value, point[m]!)));
  return (
    box -
    volume(
      nonDominated(limited).map((index) => limited[index]!),
      reference,
    )
  );
}

function area(front: readonly Vector[], reference: Vector): number {
  const sorted = front.toSorted((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
  let total = 0;
  let height = reference[1]!;
  for (const point of sorted) {
    if (point[1]! >= height) continue;
    total += (reference[0]! - point[0]!) * (height - point[1]!);
    height = point[1]!;
  }
  return total;
}
