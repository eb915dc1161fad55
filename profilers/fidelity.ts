// How far a cheap score can be leant on: which layouts are trained longer to find out, and what agreement counts as too weak. The agreement
// itself is Kendall's tau of statistics/kendall.ts.
import type { Rng } from "../candidates/space.ts";
import { type Agreement, agreement } from "./statistics/kendall.ts";

/** A proxy whose interval reaches below this is weak: a quarter of its pairs and more may be in the wrong order. */
export const WEAK_TAU = 0.5;

/** True also where one side does not tell the layouts apart, or too few were trained longer to say. */
export const isWeak = (agreement: Agreement | null): boolean =>
  agreement === null || agreement.interval === null || agreement.interval.low < WEAK_TAU;

/** Fewer layouts than this say nothing of how a proxy orders them: no verdict is given. */
export const MIN_AUDITED = 10;
/** From this share of right answers on a layout can recall. */
export const CAN_RECALL = 0.5;

/** Layouts by whether they can recall. */
export const strataNames = ["can recall", "cannot recall"] as const;
export type Stratum = (typeof strataNames)[number];

/** Agreement within one stratum; null where it has no order, or too few layouts for an interval. */
export interface StratumAgreement {
  readonly stratum: Stratum;
  readonly layouts: number;
  readonly agreement: Agreement | null;
}

/**
 * Agreement within the layouts that can recall and within those that cannot: over both together, a proxy that tells only the two apart
 * looks as if it ranked. `accuracies`: of the longer training, one a pair; null where no task of the audit is scored by accuracy.
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

/** `count` of the items, as evenly over the strata as they allow, and within each evenly over its order. */
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
