// A row of bench:conclusions: how often, or by how much, a conclusion is wrong where the truth is known.
import { wilson } from "../../../profilers/statistics/wilson.ts";

export interface ConclusionRow {
  readonly name: string;
  readonly value: number;
  /** Lower end of the value's 95% interval. */
  readonly low: number;
  readonly high: number;
  /** Condition on the value, e.g. ">= 0.93". */
  readonly limit: string;
  readonly pass: boolean;
}

/** Size of a part of the bench: the number of cases per row, and the seed that draws them. */
export interface ConclusionRuns {
  readonly runs: number;
  readonly seed: number;
}

/** Returns a row for a share of cases against a bound. */
export function shareRow(name: string, hits: number, of: number, limit: string): ConclusionRow {
  const { low, high } = wilson(hits, of);
  const value = of === 0 ? Number.NaN : hits / of;
  return { name, value, low, high, limit, pass: meets(value, limit) };
}

/**
 * Returns a row for an error rate that is the bound itself if the test is exact, so that half of all correct
 * tests lie above it: the row fails if the interval does.
 */
export const levelRow = (name: string, hits: number, of: number, limit: string): ConclusionRow => {
  const row = shareRow(name, hits, of, limit);
  return { ...row, pass: meets(row.low, limit) };
};

/** Returns whether a value meets a limit: `>= 0.88`, `<= 0.05`, or `0.93 to 0.97`. */
export function meets(value: number, limit: string): boolean {
  const range = /^([\d.]+) to ([\d.]+)$/.exec(limit);
  if (range !== null) return value >= Number(range[1]) && value <= Number(range[2]);
  const [, sign, bound] = /^(>=|<=) (-?[\d.]+)$/.exec(limit) ?? [];
  if (bound === undefined) throw new RangeError(`not a limit: ${limit}`);
  return sign === ">=" ? value >= Number(bound) : value <= Number(bound);
}
