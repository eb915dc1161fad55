// Turns estimates of a sweep's objectives into noisy points, for questions about the front.
import { mean } from "../../profilers/statistics/summary.ts";
import type { Estimate, Scale } from "./estimate.ts";
import type { NoisyPoint } from "./front-chance.ts";
import { squaresOf } from "./spread.ts";

/** One objective, with its estimates for all layouts. */
export interface EstimatedObjective {
  readonly direction: "min" | "max";
  readonly scale: Scale;
  readonly estimates: readonly Estimate[];
}

/**
 * Returns points in the objectives' own units, smaller is better, as a hypervolume needs them. An unknown
 * error is replaced by the spread between layouts.
 */
export function linearPoints(
  ids: readonly string[],
  objectives: readonly EstimatedObjective[],
): readonly NoisyPoint[] {
  const columns = objectives.map(({ direction, scale, estimates }) => {
    const { squares, freedom } = squaresOf(estimates.map(({ value }) => value));
    const between = freedom === 0 ? 0 : Math.sqrt(squares / freedom);
    return estimates.map(({ value, standardError, degrees }) => ({
      value: direction === "min" ? value : -value,
      error: standardError === null ? between : standardError * (scale === "ratio" ? Math.abs(value) : 1),
      degrees: standardError === null ? Math.max(1, freedom) : degrees,
    }));
  });
  return ids.map((id, n) => ({
    id,
    mean: columns.map((column) => column[n]!.value),
    standardError: columns.map((column) => column[n]!.error),
    degrees: columns.map((column) => column[n]!.degrees),
  }));
}

/**
 * Returns points on the objectives' scales, smaller is better. An unknown error is replaced by the spread
 * between layouts, its upper limit. Nothing is concluded from such values.
 */
export function noisyPoints(
  ids: readonly string[],
  objectives: readonly EstimatedObjective[],
): readonly NoisyPoint[] {
  const columns = objectives.map(({ direction, scale, estimates }) => {
    const logarithmic = scale === "ratio" && estimates.every(({ value }) => value > 0);
    const values = estimates.map(({ value }) => (logarithmic ? Math.log(value) : value));
    const { squares, freedom } = squaresOf(values);
    const between = freedom === 0 ? 0 : Math.sqrt(squares / freedom);
    // A time of 0 has no logarithm. Its error is then taken in proportion to the mean value.
    const unit = scale === "ratio" && !logarithmic ? Math.abs(mean(values)) : 1;
    return {
      values: values.map((value) => (direction === "min" ? value : -value)),
      errors: estimates.map(({ standardError }) => (standardError === null ? between : standardError * unit)),
      degrees: estimates.map(({ degrees, standardError }) =>
        standardError === null ? Math.max(1, freedom) : degrees,
      ),
    };
  });
  return ids.map((id, n) => ({
    id,
    mean: columns.map(({ values }) => values[n]!),
    standardError: columns.map(({ errors }) => errors[n]!),
    degrees: columns.map(({ degrees }) => degrees[n]!),
  }));
}
