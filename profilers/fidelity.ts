// Tells how far a cheap score can be trusted: which layouts are trained longer to check, and which agreement
// counts as too weak. The agreement itself is Kendall's tau of statistics/kendall.ts.
import type { Rng } from "../candidates/space.ts";
import { type Agreement, agreement } from "./statistics/kendall.ts";

/**
 * A proxy is weak if its interval reaches below this tau: a quarter or more of its pairs may then be in the
 * wrong order.
 */
export const WEAK_TAU = 0.5;

/**
 * Returns true for a weak agreement. Also true where one side does not order the layouts, or too few were
 * trained longer.
 */
export const isWeak = (agreement: Agreement | null): boolean =>
  agreement === null || agreement.interval === null || agreement.interval.low < WEAK_TAU;

/** With fewer layouts, no verdict is given on how a proxy orders them. */
export const MIN_AUDITED = 10;
/** Accuracy from which a layout counts as able to recall. */
export const CAN_RECALL = 0.5;

/** Groups of layouts: those that can recall and those that cannot. */
export const strataNames = ["can recall", "cannot recall"] as const;
export type Stratum = (typeof strataNames)[number];

/** Agreement within one stratum; null where the stratum has no order, or too few layouts for an interval. */
export interface StratumAgreement {
  readonly stratum: Stratum;
  readonly layouts: number;
  readonly agreement: Agreement | null;
}

/**
 * Returns the agreement within the layouts that can recall and within those that cannot. Over both together,
 * a proxy that only separates the two groups would seem to rank. `accuracies`: of the longer training, one
 * per pair; null where no task of the audit is scored by accuracy.
 */
export function withinStrata(
  pairs: readonly (readonly [number, number])[],
  accuracies: readonly number[] | null,
  rng: () => Rng,
): readonly StratumAgreement[] {
  if (accuracies === null) return [];
  return strataNames.map((stratum) => {
    const own = pairs.filter((_, n) => accuracies[n]! >= CAN_RECALL === (stratum === "can recall"));
    return { stratum, layouts: own.length, agreement: own.length < 2 ? null : agreement(own, rng()) };
  });
}

/**
 * Returns `count` of the items, spread over the strata as evenly as possible, and within each stratum evenly
 * over its order.
 */
export function stratified<T>(items: readonly T[], stratumOf: (item: T) => number, count: number): T[] {
  const strata = new Map<number, T[]>();
  for (const item of items) strata.set(stratumOf(item), [...(strata.get(stratumOf(item)) ?? []), item]);
  const groups = [...strata.entries()].sort(([a], [b]) => a - b).map(([, group]) => group);
  const take = groups.map(() => 0);
  for (let left = Math.min(count, items.length); left > 0; ) {
    for (const [i, group] of groups.entries()) {
      if (left === 0 || take[i]! >= group.length) continue;
      take[i]!++;
      left--;
    }
  }
  return groups.flatMap((group, i) =>
    Array.from({ length: take[i]! }, (_, n) => group[Math.floor((n * group.length) / take[i]!)]!),
  );
}
