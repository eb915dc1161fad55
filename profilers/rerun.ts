// Compares layouts measured at two times: which metrics shifted over all layouts, and which layouts changed
// alone. Runs of one time share its conditions (heat, other load, the agent's build). These appear as a shift
// of the whole metric, never as a change of one layout. compare.ts compares two layouts at one time.
import type { Rng } from "../candidates/space.ts";
import { bcaInterval, type Interval } from "./statistics/bootstrap.ts";
import { holm } from "./statistics/holm.ts";
import { medianShift } from "./statistics/sign.ts";
import { MAD_TO_SD } from "./statistics/stray.ts";
import { summarise } from "./statistics/summary.ts";

/** One metric of one layout at one time. */
export interface Measured {
  readonly value: number;
  readonly samples: readonly number[];
  readonly stable: boolean;
}

/** One layout, measured twice. */
export interface Rerun {
  readonly before: Measured;
  readonly after: Measured;
}

export const rerunDefaults = {
  /** Largest chance that reruns of an unchanged sweep show a shift of any metric. */
  errorRate: 0.05,
  /** Smallest relative change that counts. */
  effect: 0.02,
  /** With fewer layouts, the usual difference between reruns is unknown. */
  minLayouts: 8,
  /**
   * Distance from the other layouts, in robust standard deviations, at which a layout counts as changed
   * alone. Reruns have heavy tails: at 3.5, 2% of unchanged values of test/profilers/rerun.test.ts were
   * flagged.
   */
  standsOut: 5,
} as const;
export type RerunRules = typeof rerunDefaults;

/** Result of one metric over all its layouts. */
interface Shift {
  /** Number of layouts compared: stable both times, measured, and positive. */
  readonly layouts: number;
  /** after / before - 1, the median over the layouts, and its 95% interval (ends may be infinite). */
  readonly change: number;
  readonly interval: Interval;
  /** p-value of the sign test, adjusted for the other metrics (Holm). */
  readonly adjustedP: number;
  readonly beyondNoise: boolean;
}

interface MetricRerun {
  /** Null where no layout was stable both times. */
  readonly shift: Shift | null;
  /** Indices, in the input, of layouts that changed alone. */
  readonly own: readonly number[];
}

const MIN_SAMPLES = 5;

/** 95% BCa interval of the median. With too few samples for it, the range of the samples. */
function spread({ value, samples }: Measured, rng: Rng): Interval {
  if (samples.length === 0) return { low: value, high: value };
  const { min, max } = summarise(samples);
  const median = (values: readonly number[]): number => summarise(values).median;
  const interval = samples.length < MIN_SAMPLES ? null : bcaInterval(samples, median, rng);
  return interval ?? { low: min, high: max };
}

/**
 * Returns true if two measurements differ by more than their own repetitions: both are stable, and their
 * intervals are disjoint.
 */
export function apart(a: Measured, b: Measured, rng: Rng): boolean {
  if (!a.stable || !b.stable) return false;
  const [x, y] = [spread(a, rng), spread(b, rng)];
  return x.low > y.high || y.low > x.high;
}

/**
 * Values with samples can be judged by their ratio. Computed values, and a score of 0, can only be equal or
 * not.
 */
const byRatio = ({ before, after }: Rerun): boolean =>
  before.value > 0 && after.value > 0 && before.samples.length > 0 && after.samples.length > 0;

const scaled = ({ value, samples, stable }: Measured, factor: number): Measured => ({
  value: value * factor,
  samples: samples.map((sample) => sample * factor),
  stable,
});

/**
 * Indices of layouts that differ from the common shift by more than the effect, by more than the reruns of
 * the others, and by more than their own repetitions vary. With few layouts the spread of reruns is unknown;
 * then only the effect and the repetitions decide.
 */
function movedAlone(
  reruns: readonly Rerun[],
  ratios: ReadonlyMap<number, number>,
  rules: RerunRules,
  rng: Rng,
): number[] {
  const known = ratios.size >= rules.minLayouts;
  const centre = known ? summarise([...ratios.values()]).median : 0;
  const off = (ratio: number): number => Math.abs(ratio - centre);
  const limit = known ? rules.standsOut * MAD_TO_SD * summarise([...ratios.values()].map(off)).median : 0;
  const least = Math.max(limit, Math.log1p(rules.effect));
  return reruns.flatMap((rerun, place) => {
    const ratio = ratios.get(place);
    const factor = ratio === undefined ? 1 : Math.exp(centre);
    if (ratio !== undefined && off(ratio) <= least) return [];
    return apart(scaled(rerun.before, factor), rerun.after, rng) ? [place] : [];
  });
}

/** Judges every metric, in the given order. */
export function judgeReruns(
  metrics: readonly (readonly Rerun[])[],
  rng: Rng,
  rules: RerunRules = rerunDefaults,
): readonly MetricRerun[] {
  const found = metrics.map((reruns) => {
    const ratios = new Map(
      reruns.flatMap((rerun, place): [number, number][] =>
        rerun.before.stable && rerun.after.stable && byRatio(rerun)
          ? [[place, Math.log(rerun.after.value / rerun.before.value)]]
          : [],
      ),
    );
    const own = movedAlone(reruns, ratios, rules, rng);
    return { own, layouts: ratios.size, shift: ratios.size === 0 ? null : medianShift([...ratios.values()]) };
  });
  const adjusted = holm(found.map(({ shift }) => shift?.p ?? 1));
  return found.map(({ own, layouts, shift }, index) => {
    if (shift === null) return { own, shift: null };
    const { low, high } = shift.interval;
    const change = Math.expm1(shift.median);
    const [adjustedP, interval] = [adjusted[index]!, { low: Math.expm1(low), high: Math.expm1(high) }];
    const beyondNoise =
      adjustedP <= rules.errorRate && (low > 0 || high < 0) && Math.abs(change) >= rules.effect;
    return { own, shift: { layouts, change, interval, adjustedP, beyondNoise } };
  });
}
