// What measuring bought: the front found by measuring against the one that a proxy (parameters, FLOPs, a roofline) would have
// chosen among the same candidates, both judged by what was measured. Where the proxy's numbers come from is the caller's.
import { hypervolume, referencePoint } from "./hypervolume.ts";
import { nonDominated, type Vector } from "./pareto.ts";

export interface ProxiedPoint {
  /** Measured, oriented (smaller is better). */
  readonly measured: Vector;
  /** The same objectives as the proxy sees them; those that it says nothing about are the measured ones. */
  readonly proxied: Vector;
}

export interface ProxyChoice {
  /** Positions of the points that the proxy's front holds. */
  readonly chosen: readonly number[];
  /** Hypervolume of the chosen points as measured over that of the measured front. */
  readonly hypervolumeShare: number;
  /** Points of the measured front that the proxy's choice leaves out (an equal vector counts as there). */
  readonly missed: number;
  readonly front: number;
  /** By objective: how much worse, relative, the nearest choice is. Null where the objective is not positive. */
  readonly regret: readonly (Regret | null)[];
}

export interface Regret {
  /** Over the measured front: value of the best chosen point that is not worse elsewhere, relative to the front's own. */
  readonly mean: number;
  readonly worst: number;
  /** Front points that no chosen point matches elsewhere: not in the mean. */
  readonly unmatched: number;
}

export function proxyChoice(points: readonly ProxiedPoint[]): ProxyChoice {
  const measured = points.map((point) => point.measured);
  const front = nonDominated(measured);
  const chosen = nonDominated(points.map(({ proxied }) => proxied));
  const reference = referencePoint(measured);
  const volume = (indices: readonly number[]): number =>
    hypervolume(
      indices.map((index) => measured[index]!),
      reference,
    );
  const same = (a: Vector, b: Vector): boolean => a.every((value, m) => value === b[m]);
  return {
    chosen,
    hypervolumeShare: volume(chosen) / volume(front),
    missed: front.filter((index) => !chosen.some((other) => same(measured[other]!, measured[index]!))).length,
    front: front.length,
    regret: reference.map((_, m) => regretOf(measured, front, chosen, m)),
  };
}

function regretOf(
  measured: readonly Vector[],
  front: readonly number[],
  chosen: readonly number[],
  objective: number,
): Regret | null {
  const at = (index: number): number => measured[index]![objective]!;
  // Relative losses of a metric whose better direction was turned are relative to its size.
  if (measured.some((vector) => vector[objective] === 0)) return null;
  const losses: number[] = [];
  for (const index of front) {
    const matching = chosen.filter((other) =>
      measured[other]!.every((value, m) => m === objective || value <= measured[index]![m]!),
    );
    if (matching.length === 0) continue;
    const best = Math.min(...matching.map(at));
    losses.push(Math.max(0, (best - at(index)) / Math.abs(at(index))));
  }
  return {
    mean: losses.length === 0 ? 0 : losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    worst: Math.max(0, ...losses),
    unmatched: front.length - losses.length,
  };
}
