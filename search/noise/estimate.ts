// What is known of one metric over the layouts of a sweep: each layout's value with its 95% interval. A session (for a score: a seed) is the
// unit: repetitions within one share what that time had, so that ten of them say nothing about the next session. Where no layout has two
// units and no earlier sweep of the device had, the error is unknown, which is not the same as none.
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

/** `exact`: counted; `ratio`: times and sizes, whose noise is in proportion; `difference`: scores. */
export type Scale = "exact" | "ratio" | "difference";

/** One metric of one layout, as it was sampled. */
export interface Sampled {
  readonly value: number;
  readonly samples: readonly number[];
  /** Samples of each session, in the order of `samples`; absent: one session, or, of a score, one seed a sample. */
  readonly sessions?: readonly number[] | undefined;
  /** False where conditions or repetitions were off: the error is widened by the spread within the sessions. */
  readonly stable: boolean;
}

export interface Estimate {
  readonly value: number;
  /** 95% interval; null where the error is unknown. */
  readonly low: number | null;
  readonly high: number | null;
  /** Of the value on its scale: of its logarithm for `ratio`. Null: unknown; 0: exact. */
  readonly standardError: number | null;
  readonly degrees: number;
  readonly samples: number;
  /** Sessions, or seeds. */
  readonly sessions: number;
}

/** Values that are independent of one another: medians of sessions, or seeds; on the metric's scale. */
interface Units {
  readonly values: readonly number[];
  /** Variance of each unit's value by the spread within it, where that can be told. */
  readonly within: readonly number[];
}

const toScale = (value: number, scale: Scale): number => (scale === "ratio" ? Math.log(value) : value);
const fromScale = (value: number, scale: Scale): number => (scale === "ratio" ? Math.exp(value) : value);

/** Variance of a median over that of a mean, of many normal samples. */
const MEDIAN_COST = Math.PI / 2;

/** Samples by session. */
function sessionsOf({ samples, sessions }: Sampled, scale: Scale): readonly (readonly number[])[] {
  if (samples.length === 0) return [];
  if (sessions === undefined) return scale === "ratio" ? [samples] : samples.map((one) => [one]);
  let at = 0;
  return sessions.map((count) => {
    at += count;
    return samples.slice(at - count, at);
  });
}

/** Samples by session on the metric's scale; null where the scale cannot hold a value: a time of 0. */
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

/** Squares between the sessions (for a score: seeds) of each layout: what a device's history is made of. */
export const squaresBetween = (layouts: readonly Sampled[], scale: Scale): Squares =>
  addSquares(layouts.map((layout) => squaresOf(unitsOf(layout, scale)?.values ?? [])));

/** Variance of one session (for a score: one seed) that is common to all layouts; null while nothing was repeated. */
export function commonSpread(layouts: readonly Sampled[], scale: Scale, history?: Squares): Spread | null {
  const own = layouts.map((layout) => squaresOf(unitsOf(layout, scale)?.values ?? []));
  return spreadModel(own, history)?.(noSquares) ?? null;
}

/**
 * Every layout's value with its interval, in the order given. `history`: squares between sessions of the same device and metric in earlier
 * sweeps. The value is the mean of the units (the geometric mean for `ratio`); of one session it is the session's median.
 */
export function estimates(layouts: readonly Sampled[], scale: Scale, history?: Squares): readonly Estimate[] {
  if (scale === "exact") return layouts.map(({ value }) => exactly(value));
  const units = layouts.map((layout) => unitsOf(layout, scale));
  const own = units.map((one) => squaresOf(one?.values ?? []));
  const spreadOf = spreadModel(own, history);
  // What sessions of this sweep usually vary by within themselves is in the spread between them already.
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
  // Sessions that agree by luck vary by what they vary within all the same.
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
