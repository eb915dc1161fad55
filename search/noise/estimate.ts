// Estimates one metric over the layouts of a sweep: each layout's value with its 95% interval. The unit is a
// session (for a score: a seed). Repetitions within a session share its conditions, so ten of them tell
// nothing about the next session. The error is unknown, not zero, where no layout has two units and the
// device has no earlier sweep with two.
import { mean, summarise } from "../../profilers/statistics/summary.ts";
import {
  addSquares,
  halfWidth,
  noSquares,
  type Spread,
  type Squares,
  spreadModel,
  squaresOf,
} from "./spread.ts";

/**
 * `exact`: counted; `ratio`: times and sizes, whose noise is proportional to the value; `difference`: scores.
 */
export type Scale = "exact" | "ratio" | "difference";

/** Samples of one metric of one layout. */
export interface Sampled {
  readonly value: number;
  readonly samples: readonly number[];
  /**
   * Number of samples per session, in the order of `samples`. Absent: all are one session or, for a score,
   * one seed each.
   */
  readonly sessions?: readonly number[] | undefined;
  /**
   * False where conditions or repetitions were irregular. The error then also includes the unusual part of
   * the spread within sessions.
   */
  readonly stable: boolean;
}

export interface Estimate {
  readonly value: number;
  /** Lower end of the 95% interval; null where the error is unknown. */
  readonly low: number | null;
  readonly high: number | null;
  /** Standard error of the value on its scale: of its logarithm for `ratio`. Null: unknown; 0: exact. */
  readonly standardError: number | null;
  readonly degrees: number;
  readonly samples: number;
  /** Number of sessions, or of seeds. */
  readonly sessions: number;
}

/** Independent values on the metric's scale: medians of sessions, or seeds. */
interface Units {
  readonly values: readonly number[];
  /** Variance of each unit's value, computed from the spread within it, where known. */
  readonly within: readonly number[];
}

const toScale = (value: number, scale: Scale): number => (scale === "ratio" ? Math.log(value) : value);
const fromScale = (value: number, scale: Scale): number => (scale === "ratio" ? Math.exp(value) : value);

/** Variance of the median of many normal samples, divided by the variance of their mean. */
const MEDIAN_COST = Math.PI / 2;

/** Samples grouped by session. */
function sessionsOf({ samples, sessions }: Sampled, scale: Scale): readonly (readonly number[])[] {
  if (samples.length === 0) return [];
  if (sessions === undefined) return scale === "ratio" ? [samples] : samples.map((one) => [one]);
  let at = 0;
  return sessions.map((count) => {
    at += count;
    return samples.slice(at - count, at);
  });
}

/**
 * Returns samples by session on the metric's scale. Null where the scale cannot represent a value, such as a
 * time of 0.
 */
export function sampledSessions(sampled: Sampled, scale: Scale): readonly (readonly number[])[] | null {
  if (scale === "ratio" && sampled.samples.some((value) => !(value > 0))) return null;
  return sessionsOf(sampled, scale).map((samples) => samples.map((value) => toScale(value, scale)));
}

function unitsOf(sampled: Sampled, scale: Scale): Units | null {
  const scaled = sampledSessions(sampled, scale);
  if (scaled === null) return null;
  return {
    values: scaled.map((samples) => summarise(samples).median),
    within: scaled.map((samples) => {
      const { squares, freedom } = squaresOf(samples);
      return freedom === 0 ? 0 : (MEDIAN_COST * squares) / freedom / samples.length;
    }),
  };
}

/**
 * Returns the squares between sessions (for a score: seeds) of each layout, summed. A device's history
 * consists of these.
 */
export const squaresBetween = (layouts: readonly Sampled[], scale: Scale): Squares =>
  addSquares(layouts.map((layout) => squaresOf(unitsOf(layout, scale)?.values ?? [])));

/**
 * Returns the variance of one session (for a score: one seed), common to all layouts. Null while nothing was
 * repeated.
 */
export function commonSpread(layouts: readonly Sampled[], scale: Scale, history?: Squares): Spread | null {
  const own = layouts.map((layout) => squaresOf(unitsOf(layout, scale)?.values ?? []));
  return spreadModel(own, history)?.(noSquares) ?? null;
}

/**
 * Returns every layout's value with its interval, in the given order. `history`: squares between sessions of
 * the same device and metric in earlier sweeps. The value is the mean of the units (the geometric mean for
 * `ratio`). For a single session it is the session's median.
 */
export function estimates(layouts: readonly Sampled[], scale: Scale, history?: Squares): readonly Estimate[] {
  if (scale === "exact") return layouts.map(({ value }) => exactly(value));
  const units = layouts.map((layout) => unitsOf(layout, scale));
  const own = units.map((one) => squaresOf(one?.values ?? []));
  const spreadOf = spreadModel(own, history);
  // The spread between sessions already includes their usual variation within.
  const usual = mean(units.flatMap((one, n) => (layouts[n]!.stable ? (one?.within ?? []) : [])));
  return layouts.map((layout, n) => {
    const one = units[n];
    const counts = { samples: layout.samples.length, sessions: one?.values.length ?? 0 };
    if (!one || one.values.length === 0 || spreadOf === null) return unknown(layout.value, counts);
    return known(layout, one, spreadOf(own[n]!), Number.isFinite(usual) ? usual : 0, scale, counts);
  });
}

const exactly = (value: number): Estimate => ({
  ...{ value, low: value, high: value, standardError: 0 },
  ...{ degrees: Number.POSITIVE_INFINITY, samples: 0, sessions: 0 },
});

const unknown = (value: number, counts: Pick<Estimate, "samples" | "sessions">): Estimate => ({
  ...{ value, low: null, high: null, standardError: null, degrees: 0 },
  ...counts,
});

function known(
  { stable }: Sampled,
  { values, within }: Units,
  { variance, degrees }: Spread,
  usual: number,
  scale: Scale,
  counts: Pick<Estimate, "samples" | "sessions">,
): Estimate {
  const n = values.length;
  const extra = stable ? 0 : within.reduce((sum, one) => sum + Math.max(0, one - usual), 0) / n;
  // Sessions that agree by chance still vary by at least their variation within.
  const standardError = Math.sqrt((Math.max(variance, usual) + extra) / n);
  const center = mean(values);
  const half = halfWidth(degrees) * standardError;
  return {
    value: fromScale(center, scale),
    low: fromScale(center - half, scale),
    high: fromScale(center + half, scale),
    standardError,
    degrees,
    ...counts,
  };
}
