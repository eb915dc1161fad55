// Finds the layouts that differ in a metric by more than their errors. Every pair is tested, with Holm's
// adjustment for the number of pairs. If all layouts are alike, at most 5% of sweeps report any pair as
// different.
import { holm } from "../../profilers/statistics/holm.ts";
import { tCdf } from "../../profilers/statistics/student.ts";
import type { Estimate, Scale } from "./estimate.ts";

const ERROR_RATE = 0.05;

/** Indices of a pair, the smaller value first. */
export type Pair = readonly [number, number];

export interface Apart {
  readonly pairs: number;
  /** Pairs that certainly differ. */
  readonly told: readonly Pair[];
}

/** Returns the pairs that certainly differ. A pair with an unknown error never counts as different. */
export function pairsApart(estimates: readonly Estimate[], scale: Scale): Apart {
  const at = ({ value }: Estimate): number => (scale === "ratio" ? Math.log(value) : value);
  const pairs: Pair[] = [];
  const pValues: number[] = [];
  for (const [i, a] of estimates.entries())
    for (const [j, b] of estimates.entries()) {
      if (j <= i) continue;
      pairs.push(at(a) <= at(b) ? [i, j] : [j, i]);
      pValues.push(pOf(at(a) - at(b), a, b));
    }
  const adjusted = holm(pValues);
  return { pairs: pairs.length, told: pairs.filter((_, n) => adjusted[n]! <= ERROR_RATE) };
}

/** Two-sided p-value of the hypothesis of no difference. */
function pOf(difference: number, a: Estimate, b: Estimate): number {
  if (a.standardError === null || b.standardError === null || !Number.isFinite(difference)) return 1;
  const error = Math.hypot(a.standardError, b.standardError);
  if (error === 0) return difference === 0 ? 1 : 0;
  const degrees = Math.min(a.degrees, b.degrees);
  return Number.isFinite(degrees) ? 2 * tCdf(-Math.abs(difference) / error, degrees) : 1;
}
