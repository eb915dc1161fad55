// What measuring bought: layouts that measuring would have chosen against those that a proxy (parameters,
// FLOPs, a roofline) would have, as many of either, judged by other measurements of the same layouts than
// those that chose. A proxy that says nothing scores exactly 0, choosing by measurement 1. Whether the
// difference is more than luck is a test of its own: do two sessions agree on what the proxy does not
// explain?
import type { Rng } from "../candidates/space.ts";
import { type PartialCorrelation, partialCorrelation } from "../profilers/statistics/correlation.ts";
import { frontReference, hypervolume, hypervolumeImprovement } from "./hypervolume.ts";
import { nonDominated, nonDominatedSort, type Vector } from "./pareto.ts";

/** One layout, by oriented objectives (smaller is better). */
export interface JudgedPoint {
  /** As the sessions that choose measured it. */
  readonly chooser: Vector;
  /** As other sessions did. */
  readonly judge: Vector;
}

/**
 * As many points as asked for: whole fronts, the last one by what each adds to the volume of those before it.
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
   * 0: as a proxy that says nothing; 1: as measuring. Null where measuring itself is not better than saying
   * nothing.
   */
  readonly score: number | null;
}

export interface ProxyScores {
  /** Layouts that each chooses: as many as the measured front has. */
  readonly count: number;
  readonly measured: readonly number[];
  readonly proxies: readonly ProxyScore[];
  /**
   * The same for the proxy with its values dealt out at random: mean and 95% quantile over `PERMUTATIONS`.
   */
  readonly permuted: { readonly mean: number; readonly high: number } | null;
}

const PERMUTATIONS = 200;

/**
 * `constant`: the points as a proxy that says nothing sees them; `proxied`: as each proxy does. The reference
 * of all volumes is that of the judged front.
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

/** Objectives in which `constant` is flat are dealt out anew among the layouts, together. */
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

/** Fewer layouts leave too few degrees of freedom for a verdict. */
export const MIN_JUDGED = 6;

/**
 * Whether two sessions agree beyond a proxy: the correlation of what the proxy leaves unexplained in each.
 * Where the proxy explains all that is real, what is left is noise of either session, and does not agree.
 * Permutations of the residuals were rejected: they found an agreement in 6 to 7% of such devices instead of
 * 5%. Null: too few layouts.
 */
export const unexplained = (
  first: readonly number[],
  second: readonly number[],
  proxy: readonly number[],
): PartialCorrelation | null => (first.length < MIN_JUDGED ? null : partialCorrelation(first, second, proxy));
