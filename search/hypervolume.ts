// Exact hypervolume: the volume that a set of oriented vectors (smaller is better) dominates up to a reference point.
// WFG algorithm (While, Bradstreet, Barone 2012) over a plane sweep in two dimensions; for any number of objectives.
import { nonDominated, type Vector } from "./pareto.ts";

/** Volume dominated by `points` and bounded by `reference`. Points not better than the reference everywhere add nothing. */
export function hypervolume(points: readonly Vector[], reference: Vector): number {
  return volume(relevant(points, reference), reference);
}

/** What `point` would add to the hypervolume of `points`; 0 where it is dominated. */
export function hypervolumeImprovement(point: Vector, points: readonly Vector[], reference: Vector): number {
  if (!inside(point, reference)) return 0;
  return exclusive(point, relevant(points, reference), reference);
}

/** What each point alone contributes: the volume lost without it. Duplicates contribute nothing. */
export function contributions(points: readonly Vector[], reference: Vector): number[] {
  return points.map((point, index) => hypervolumeImprovement(point, points.toSpliced(index, 1), reference));
}

/**
 * A reference point: the worst value of each objective and a tenth of the range beyond it. Give it non-dominated points: a dominated one, such as
 * a disturbed measurement, would decide what every volume is a share of. Volumes are comparable under one reference only. An objective
 * without any range is given a tenth of its size, or 1 at zero.
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

/** The reference point of the non-dominated ones of `points`. */
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

/** `front` holds no dominated point and lies inside the reference; equal points are allowed. */
function volume(front: readonly Vector[], reference: Vector): number {
  if (front.length === 0) return 0;
  const dimensions = reference.length;
  if (dimensions === 1) return reference[0]! - Math.min(...front.map((point) => point[0]!));
  if (dimensions === 2) return area(front, reference);
  if (front.length === 1)
    return front[0]!.reduce((product, value, m) => product * (reference[m]! - value), 1);
  // From the worst of the last objective to the best: limited by the points before it, a point shares the last coordinate
  // with all of them, so that the exclusive part is flat in it and one dimension falls away.
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

/** Volume of `point` alone less what `others` dominate of it. */
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
