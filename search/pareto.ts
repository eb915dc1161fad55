// Pareto dominance over oriented vectors: every objective is turned so that smaller is better. hypervolume.ts
// has the volumes.
import type { Objective } from "./strategy.ts";

/** One value per objective; smaller is better. */
export type Vector = readonly number[];

/**
 * Returns metrics as an oriented vector. Throws where an objective is missing or not finite: such trials have
 * no place on a front.
 */
export const orient = (metrics: Readonly<Record<string, number>>, objectives: readonly Objective[]): Vector =>
  orientValues(
    objectives.map(({ name }) => metrics[name] ?? null),
    objectives,
  );

/**
 * Orients one value per objective, in their order. A null value is missing. Throws where one is missing or
 * not finite.
 */
export function orientValues(values: readonly (number | null)[], objectives: readonly Objective[]): Vector {
  return objectives.map(({ name, direction }, m) => {
    const value = values[m] ?? null;
    if (value === null || !Number.isFinite(value)) {
      throw new RangeError(`objective "${name}" is ${value}; only measured, finite values can be compared`);
    }
    return direction === "min" ? value : -value;
  });
}

/** Returns true if `a` is not worse than `b` in any objective and better in at least one. */
export function dominates(a: Vector, b: Vector): boolean {
  let better = false;
  for (let m = 0; m < a.length; m++) {
    if (a[m]! > b[m]!) return false;
    if (a[m]! < b[m]!) better = true;
  }
  return better;
}

function requireFinite(vector: Vector): void {
  if (!vector.every(Number.isFinite))
    throw new RangeError(`[${vector.join(", ")}] has a value that is not finite`);
}

/**
 * Returns the indices of the non-dominated vectors, in order. Equal vectors do not dominate one another, so
 * all are kept.
 */
export function nonDominated(vectors: readonly Vector[]): number[] {
  const archive = new ParetoArchive<number>();
  for (const [index, vector] of vectors.entries()) archive.insert(vector, index);
  return archive.entries.map(({ item }) => item).sort((a, b) => a - b);
}

/**
 * Returns the fronts in order: the non-dominated indices, then those non-dominated without the first front,
 * and so on (Deb et al. 2002).
 */
export function nonDominatedSort(vectors: readonly Vector[]): number[][] {
  const fronts: number[][] = [];
  let rest = vectors.map((_, index) => index);
  while (rest.length > 0) {
    const front = nonDominated(rest.map((index) => vectors[index]!)).map((place) => rest[place]!);
    const taken = new Set(front);
    fronts.push(front);
    rest = rest.filter((index) => !taken.has(index));
  }
  return fronts;
}

/**
 * Returns each vector's distance to its neighbours within one front, every objective scaled to its range.
 * Infinite at the ends (Deb et al. 2002).
 */
export function crowdingDistance(front: readonly Vector[]): number[] {
  const distance = front.map(() => 0);
  for (let m = 0; m < (front[0]?.length ?? 0); m++) {
    const order = front.map((_, index) => index).sort((a, b) => front[a]![m]! - front[b]![m]! || a - b);
    const [low, high] = [front[order[0]!]![m]!, front[order.at(-1)!]![m]!];
    distance[order[0]!] = Number.POSITIVE_INFINITY;
    distance[order.at(-1)!] = Number.POSITIVE_INFINITY;
    if (high === low) continue;
    for (let n = 1; n < order.length - 1; n++) {
      distance[order[n]!]! += (front[order[n + 1]!]![m]! - front[order[n - 1]!]![m]!) / (high - low);
    }
  }
  return distance;
}

/** The non-dominated entries of everything inserted. Each insert costs one comparison per entry. */
export class ParetoArchive<T> {
  private kept: { readonly vector: Vector; readonly item: T }[] = [];

  get entries(): readonly { readonly vector: Vector; readonly item: T }[] {
    return this.kept;
  }

  /**
   * Inserts an entry and removes those that it dominates. Returns true if the entry is on the front now.
   * Throws on values that are not finite.
   */
  insert(vector: Vector, item: T): boolean {
    requireFinite(vector);
    if (this.kept.some((entry) => dominates(entry.vector, vector))) return false;
    this.kept = this.kept.filter((entry) => !dominates(vector, entry.vector));
    this.kept.push({ vector, item });
    return true;
  }
}
