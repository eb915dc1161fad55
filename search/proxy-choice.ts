// Tests the value of measuring: layouts chosen by measurements against equally many chosen by a proxy
// (parameters, FLOPs, a roofline). Other measurements of the same layouts judge both. A proxy without
// information scores exactly 0, choosing by measurement 1. A separate test tells whether the difference is
// luck: do two sessions agree on the part that the proxy does not explain?
import type { Rng } from "../candidates/space.ts";
import { type PartialCorrelation, partialCorrelation } from "../profilers/statistics/correlation.ts";
import { frontReference, hypervolume, hypervolumeImprovement } from "./hypervolume.ts";
import { nonDominated, nonDominatedSort, type Vector } from "./pareto.ts";

/** One layout, as oriented objectives (smaller is better). */
export interface JudgedPoint {
  /** Values from the sessions that choose. */
  readonly chooser: Vector;
  /** Values from the other sessions, which judge. */
  readonly judge: Vector;
}

/**
 * Returns the indices of `count` points: whole fronts first. From the last front, points are taken by the
 * volume that each adds.
 */
export function chosenBy(vectors: readonly Vector[], count: number): readonly number[] {
  const chosen: number[] = [];
  for (const front of nonDominatedSort(vectors)) {
    if (chosen.length + front.length <= count) {
      chosen.push(...front);
      continue;
    }
    const reference = frontReference(front.map((index) => vectors[index]!));
    const left = new Set(front);
    const taken: number[] = [];
    while (chosen.length < count && left.size > 0) {
      const held = taken.map((index) => vectors[index]!);
      const gain = (index: number): number => hypervolumeImprovement(vectors[index]!, held, reference);
      const next = [...left].reduce((a, b) => (gain(b) > gain(a) ? b : a));
      left.delete(next);
      taken.push(next);
      chosen.push(next);
    }
    break;
  }
  return chosen.sort((a, b) => a - b);
}

export interface ProxyScore {
  readonly chosen: readonly number[];
  /**
   * 0: equal to a proxy without information; 1: equal to measuring. Null where measuring is not better than
   * no information.
   */
  readonly score: number | null;
}

export interface ProxyScores {
  /** Number of layouts that each method chooses: the size of the measured front. */
  readonly count: number;
  readonly measured: readonly number[];
  readonly proxies: readonly ProxyScore[];
  /** Score of the proxy with its values permuted: mean and 95% quantile over `PERMUTATIONS`. */
  readonly permuted: { readonly mean: number; readonly high: number } | null;
}

const PERMUTATIONS = 200;

/**
 * Scores proxies. `constant`: the points as a proxy without information sees them; `proxied`: as each proxy
 * sees them. The judged front gives the reference of all volumes.
 */
export function proxyScores(
  points: readonly JudgedPoint[],
  constant: readonly Vector[],
  proxied: readonly (readonly Vector[])[],
  rng: Rng,
): ProxyScores {
  const judged = points.map(({ judge }) => judge);
  const reference = frontReference(judged);
  const volume = (chosen: readonly number[]): number =>
    hypervolume(
      chosen.map((index) => judged[index]!),
      reference,
    );
  const choosers = points.map(({ chooser }) => chooser);
  const count = nonDominated(choosers).length;
  const [measured, nothing] = [chosenBy(choosers, count), chosenBy(constant, count)];
  const [most, least] = [volume(measured), volume(nothing)];
  const scoreOf = (chosen: readonly number[]): number | null =>
    most > least ? (volume(chosen) - least) / (most - least) : null;
  const random = Array.from({ length: PERMUTATIONS }, () =>
    scoreOf(chosenBy(dealtOut(choosers, constant, rng), count)),
  ).flatMap((score) => score ?? []);
  random.sort((a, b) => a - b);
  return {
    count,
    measured,
    proxies: proxied.map((vectors) => {
      const chosen = chosenBy(vectors, count);
      return { chosen, score: scoreOf(chosen) };
    }),
    permuted:
      random.length === 0
        ? null
        : {
            mean: random.reduce((sum, score) => sum + score, 0) / random.length,
            high: random[Math.floor(0.95 * random.length)]!,
          },
  };
}

/** Permutes among the layouts, together, the objectives in which `constant` is flat. */
function dealtOut(choosers: readonly Vector[], constant: readonly Vector[], rng: Rng): readonly Vector[] {
  const order = shuffled(choosers.length, rng);
  const flat = constant[0]!.map((_, m) => constant.every((vector) => vector[m] === constant[0]![m]));
  return choosers.map((vector, n) => vector.map((value, m) => (flat[m] ? choosers[order[n]!]![m]! : value)));
}

function shuffled(count: number, rng: Rng): number[] {
  const order = Array.from({ length: count }, (_, n) => n);
  for (let i = count - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** With fewer layouts, too few degrees of freedom remain for a verdict. */
export const MIN_JUDGED = 6;

/**
 * Tests whether two sessions agree beyond a proxy: the correlation of the residuals that the proxy leaves in
 * each. If the proxy explains everything real, the residuals are noise of the two sessions and do not
 * correlate. Permutations of the residuals were rejected: in simulated devices without such an effect they
 * found agreement in 6 to 7% of cases instead of 5%. Null: too few layouts.
 */
export const unexplained = (
  first: readonly number[],
  second: readonly number[],
  proxy: readonly number[],
): PartialCorrelation | null => (first.length < MIN_JUDGED ? null : partialCorrelation(first, second, proxy));
