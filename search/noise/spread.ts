// How much independent values of one thing vary, from a few layouts with a few values each: one spread for all layouts, and each layout's own
// where layouts differ in it (an empirical Bayes shrinkage, after Smyth 2004, "Linear models and empirical Bayes methods").
import { tQuantile } from "../../profilers/statistics/student.ts";
import { mean, squaredDeviations } from "../../profilers/statistics/summary.ts";

/** Sum of squared deviations from group means, and its degrees of freedom. Adds up over groups. */
export interface Squares {
  readonly squares: number;
  readonly freedom: number;
}

export const noSquares: Squares = { squares: 0, freedom: 0 };

export const squaresOf = (values: readonly number[]): Squares =>
  values.length < 2 ? noSquares : { squares: squaredDeviations(values), freedom: values.length - 1 };

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

/** Spread of a layout from its own squares. */
export type SpreadOf = (own: Squares) => Spread;

/** Earlier sweeps ran under other conditions: whatever they hold counts as at most this many degrees of freedom. */
const MOST_HISTORY = 8;

const weigh = ({ squares, freedom }: Squares, most: number): Squares =>
  freedom <= most ? { squares, freedom } : { squares: (squares * most) / freedom, freedom: most };

/**
 * One spread for `groups` that are taken to vary alike, each group's own variance counted by its degrees of freedom against that of all
 * groups, whose weight follows from how much the groups' variances differ. Null where nothing was repeated, here or in `history`: the
 * spread is unknown.
 */
export function spreadModel(groups: readonly Squares[], history: Squares = noSquares): SpreadOf | null {
  const repeated = groups.filter(({ freedom }) => freedom > 0);
  const total = addSquares([...repeated, weigh(history, MOST_HISTORY)]);
  if (total.freedom === 0) return null;
  const pooled = total.squares / total.freedom;
  const prior = priorFreedom(repeated);
  if (!Number.isFinite(prior)) return () => ({ variance: pooled, degrees: total.freedom });
  // Mean of a scaled inverse chi-square is scale * d / (d - 2).
  const scale = (pooled * (prior - 2)) / prior;
  return ({ squares, freedom }) => ({
    variance: Math.max((prior * scale + squares) / (prior + freedom), Number.MIN_VALUE),
    degrees: Math.min(prior + freedom, total.freedom),
  });
}

/** Fewer groups do not show whether their variances differ. */
const MIN_GROUPS = 6;

/**
 * Degrees of freedom of the prior over variances, by the moments of an F distribution; infinite where the groups' variances differ no more
 * than equal ones would. The logarithms that Smyth uses were rejected: two seeds that agree exactly have a variance of 0.
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

/** Half-width of a 95% interval in standard errors. */
export function halfWidth(degrees: number): number {
  const known = quantiles.get(degrees) ?? tQuantile(0.975, degrees);
  quantiles.set(degrees, known);
  return known;
}
