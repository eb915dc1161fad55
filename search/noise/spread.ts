// Estimates the spread of independent values from a few layouts with a few values each. All layouts share one
// spread; where layouts differ, each also uses its own (empirical Bayes shrinkage, after Smyth 2004, "Linear
// models and empirical Bayes methods").
import { tQuantile } from "../../profilers/statistics/student.ts";
import { mean, squaredDeviations } from "../../profilers/statistics/summary.ts";

/** Sum of squared deviations from group means, and its degrees of freedom. Both can be added over groups. */
export interface Squares {
  readonly squares: number;
  readonly freedom: number;
}

export const noSquares: Squares = { squares: 0, freedom: 0 };

/** Returns the squares of one group; zero for fewer than two values. */
export const squaresOf = (values: readonly number[]): Squares =>
  values.length < 2 ? noSquares : { squares: squaredDeviations(values), freedom: values.length - 1 };

/** Returns the sum over groups. */
export const addSquares = (parts: readonly Squares[]): Squares =>
  parts.reduce(
    (total, { squares, freedom }) => ({
      squares: total.squares + squares,
      freedom: total.freedom + freedom,
    }),
    noSquares,
  );

/** Variance of one value, and the degrees of freedom behind it. */
export interface Spread {
  readonly variance: number;
  readonly degrees: number;
}

/** Function from a layout's own squares to its spread. */
export type SpreadOf = (own: Squares) => Spread;

/** Degrees of freedom that earlier sweeps count for at most, because they ran under other conditions. */
const MOST_HISTORY = 8;

const weigh = ({ squares, freedom }: Squares, most: number): Squares =>
  freedom <= most ? { squares, freedom } : { squares: (squares * most) / freedom, freedom: most };

/**
 * Returns the spread of each of `groups`: its own variance, shrunk towards that of all groups. Degrees of
 * freedom weigh a group's own variance. The common variance weighs more if the groups' variances differ less.
 * Null where nothing was repeated, here or in `history`: the spread is unknown.
 */
export function spreadModel(groups: readonly Squares[], history: Squares = noSquares): SpreadOf | null {
  const repeated = groups.filter(({ freedom }) => freedom > 0);
  const total = addSquares([...repeated, weigh(history, MOST_HISTORY)]);
  if (total.freedom === 0) return null;
  const pooled = total.squares / total.freedom;
  const prior = priorFreedom(repeated);
  if (!Number.isFinite(prior)) return () => ({ variance: pooled, degrees: total.freedom });
  // The mean of a scaled inverse chi-square is scale * d / (d - 2).
  const scale = (pooled * (prior - 2)) / prior;
  return ({ squares, freedom }) => ({
    variance: Math.max((prior * scale + squares) / (prior + freedom), Number.MIN_VALUE),
    degrees: Math.min(prior + freedom, total.freedom),
  });
}

/** Fewer groups cannot show whether their variances differ. */
const MIN_GROUPS = 6;

/**
 * Degrees of freedom of the prior over variances, from the moments of an F distribution. Infinite where the
 * groups' variances differ no more than equal ones would. Smyth's logarithms were rejected: two seeds that
 * agree exactly have a variance of 0.
 */
function priorFreedom(groups: readonly Squares[]): number {
  if (groups.length < MIN_GROUPS) return Number.POSITIVE_INFINITY;
  const freedom = mean(groups.map((group) => group.freedom));
  const variances = groups.map((group) => group.squares / group.freedom);
  const center = mean(variances);
  if (center === 0) return Number.POSITIVE_INFINITY;
  const relative = mean(variances.map((value) => (value / center - 1) ** 2));
  const excess = relative * freedom - 2;
  return excess <= 0 ? Number.POSITIVE_INFINITY : (4 * relative * freedom + 2 * freedom - 4) / excess;
}

const quantiles = new Map<number, number>();

/** Returns the half-width of a 95% interval in standard errors. */
export function halfWidth(degrees: number): number {
  const known = quantiles.get(degrees) ?? tQuantile(0.975, degrees);
  quantiles.set(degrees, known);
  return known;
}
