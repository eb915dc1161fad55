// A row of bench:conclusions: how often, or by how much, a conclusion is wrong where the truth is known.
import { wilson } from "../../../profilers/statistics/wilson.ts";

export interface ConclusionRow {
  readonly name: string;
  readonly value: number;
  /** 95% interval of the value. */
  readonly low: number;
  readonly high: number;
  /** What the value must meet, e.g. ">= 0.93". */
  readonly limit: string;
  readonly pass: boolean;
}

/** What a part of the bench is asked for: so many cases a row, drawn from this seed. */
export interface ConclusionRuns {
  readonly runs: number;
  readonly seed: number;
}

/** A share of cases against a bound. */
export function shareRow(name: string, hits: number, of: number, limit: string): ConclusionRow {
  const { low, high } = wilson(hits, of);
  const value = of === 0 ? Number.NaN : hits / of;
  return { name, value, low, high, limit, pass: meets(value, limit) };
}

/** `>= 0.88`, `<= 0.05`, or `0.93 to 0.97`. */
export function meets(value: number, limit: string): boolean {
  const range = /^([\d.]+) to ([\d.]+)$/.exec(limit);
  if (range !== null) return value >= Number(range[1]) && value <= Number(range[2]);
  const [, sign, bound] = /^(>=|<=) (-?[\d.]+)$/.exec(limit) ?? [];
  if (bound === undefined) throw new RangeError(`not a limit: ${limit}`);
  return sign === ">=" ? value >= Number(bound) : value <= Number(bound);
}
