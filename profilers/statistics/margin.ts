// One-sided tests of a difference against a bound fixed beforehand: is the difference shown to be below
// (non-inferiority) or above (inferiority)? Uses Student's t on independent differences, such as those of
// blocked seeds. Source: Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority, section
// 3.2. Both verdicts need evidence and neither is the default: few values show nothing.
import type { Interval } from "./bootstrap.ts";
import { type Evidence, none } from "./evidence.ts";
import { tCdf, tQuantile } from "./student.ts";
import { mean, squaredDeviations } from "./summary.ts";

/** A mean difference and its uncertainty. */
export interface Difference {
  readonly estimate: number;
  /** 0 where the difference is exact. */
  readonly standardError: number;
  readonly degrees: number;
}

/**
 * Asks how the same question would look with `more` times the samples. `handicap`: standard errors that
 * chance may take away (0.84: power 80%).
 */
export interface Look {
  readonly more: number;
  readonly handicap: number;
}
export const now: Look = { more: 1, handicap: 0 };

/** Returns a difference without error. */
export const exactly = (estimate: number): Difference => ({
  estimate,
  standardError: 0,
  degrees: Number.POSITIVE_INFINITY,
});

/** Returns the mean of independent differences with its error; null for fewer than two. */
export function differenceOf(values: readonly number[]): Difference | null {
  const n = values.length;
  if (n < 2) return null;
  const standardError = Math.sqrt(squaredDeviations(values) / (n - 1) / n);
  return { estimate: mean(values), standardError, degrees: n - 1 };
}

/**
 * Returns the evidence that the difference is below the bound, and that it is not. A null difference is no
 * evidence.
 */
export function below(
  difference: Difference | null,
  bound: number,
  { more, handicap }: Look = now,
): Evidence {
  if (difference === null) return none;
  const { estimate, standardError } = difference;
  if (standardError === 0) return { pTrue: estimate < bound ? 0 : 1, pFalse: estimate < bound ? 1 : 0 };
  const t = (estimate - bound) / (standardError / Math.sqrt(more));
  const degrees = Math.min(1e6, difference.degrees * more);
  return { pTrue: tCdf(t + handicap, degrees), pFalse: tCdf(handicap - t, degrees) };
}

/** Returns the interval whose ends the two one-sided tests at (1 - level) / 2 do not reject. */
export function intervalOf({ estimate, standardError, degrees }: Difference, level = 0.95): Interval {
  if (standardError === 0) return { low: estimate, high: estimate };
  const half = tQuantile((1 + level) / 2, Math.min(1e6, degrees)) * standardError;
  return { low: estimate - half, high: estimate + half };
}
