// Sources of a metric's noise: between sessions and within one (variance components; Kalibera and Jones 2013,
// "Rigorous benchmarking in reasonable time"). They tell how to spread samples: more repetitions do not help
// when sessions differ.
import { mean } from "../../profilers/statistics/summary.ts";
import { type Sampled, type Scale, sampledSessions } from "./estimate.ts";
import { addSquares, type Spread, squaresOf } from "./spread.ts";

export interface Components {
  /** Number of layouts that were sampled in several sessions. */
  readonly layouts: number;
  /** Variance of a session's effect. Its degrees of freedom are those of the layouts' sessions. */
  readonly session: Spread;
  /** Variance of one repetition within a session; null where no session has two. */
  readonly repetition: Spread | null;
}

/**
 * Returns the variance components; null where no layout was sampled in two sessions. Variances are on the
 * metric's scale: of logarithms for `ratio`.
 */
export function componentsOf(layouts: readonly Sampled[], scale: Scale): Components | null {
  const sampled = layouts.map((layout) => sampledSessions(layout, scale) ?? []);
  const several = sampled.filter((sessions) => sessions.length > 1);
  const between = addSquares(several.map((sessions) => squaresOf(sessions.map(mean))));
  if (between.freedom === 0) return null;
  const within = addSquares(sampled.flatMap((sessions) => sessions.map(squaresOf)));
  const repetition =
    within.freedom === 0 ? null : { variance: within.squares / within.freedom, degrees: within.freedom };
  // The mean of a session varies by the session's effect and by the remaining noise of its repetitions.
  const counts = several.flatMap((sessions) => sessions.map(({ length }) => 1 / length));
  const left = repetition === null ? 0 : repetition.variance * mean(counts);
  return {
    layouts: several.length,
    session: { variance: Math.max(0, between.squares / between.freedom - left), degrees: between.freedom },
    repetition,
  };
}

/**
 * Returns the number of sessions, each of `repetitions`, after which the standard error is at most `target`;
 * at least 1.
 */
export function sessionsFor(
  target: number,
  { session, repetition }: Components,
  repetitions: number,
): number {
  const variance = session.variance + (repetition?.variance ?? 0) / repetitions;
  return Math.max(1, Math.ceil(variance / target ** 2));
}
