// Turns an agent's measurements into named metrics. Every metric keeps its samples.
import type { Rng } from "../candidates/space.ts";
import { contextMetrics, metricKinds, runMetrics } from "./metrics/kinds.ts";
import { kindOf, metricName } from "./metrics/name.ts";
import type { MeasureResult } from "./protocol.ts";
import { bcaInterval, type Interval } from "./statistics/bootstrap.ts";
import { type Summary, summarise } from "./statistics/summary.ts";

/** A metric of a trial, in the form that is stored and reported. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** One per repetition; for scores, one per seed. */
  readonly samples: readonly number[];
  /**
   * Number of samples per session, in the order of `samples`. Absent: all samples are of one session (scores:
   * one seed each). A session is one measurement, even if it was spread over several windows. Windows seconds
   * apart differ by less than measurements do (profilers/BENCHMARKS.md).
   */
  readonly sessions?: readonly number[];
  /**
   * False where the spread across repetitions exceeds the limit. The metric is kept and shown, marked as
   * unstable.
   */
  readonly stable: boolean;
}

/** Largest coefficient of variation across repetitions that still counts as a stable result. */
export const STABLE_CV = 0.05;

/** Conditions for relying on a measurement. */
export interface Trust {
  /** Largest coefficient of variation of a stable metric. */
  readonly cvLimit: number;
  /**
   * False where the conditions of the whole measurement were not as requested. None of its times is then
   * stable.
   */
  readonly conditions: boolean;
}
const fullTrust: Trust = { cvLimit: STABLE_CV, conditions: true };

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/**
 * Returns the metrics of one measurement on `device`: for each metric that the device reports, the median
 * over repetitions. Call it after the gates, because counts and signs are assumed correct here.
 */
export function deviceMetrics(
  result: MeasureResult,
  device: string,
  trust: Trust = fullTrust,
): readonly Metric[] {
  const { batch } = result;
  const steady = (cv: number): boolean => trust.conditions && cv <= trust.cvLimit;
  const perContext = result.contexts.flatMap((measured) =>
    contextMetrics.flatMap((base): Metric[] => {
      const { unit, samples: of } = metricKinds[base];
      const samples = of(measured, batch);
      if (samples === undefined) return [];
      const { median, cv } = summarise(samples);
      const name = metricName({ base, context: measured.context, batch, device });
      return [{ name, value: median, unit, samples, stable: steady(cv) }];
    }),
  );
  const perRun = runMetrics.flatMap((base): Metric[] => {
    const { unit, samples: of, isReliable } = metricKinds[base];
    const samples = of(result);
    if (samples === undefined) return [];
    const { median, cv } = summarise(samples);
    const stable = isReliable?.(result) ?? steady(cv);
    return [{ name: metricName({ base, device }), value: median, unit, samples, stable }];
  });
  return [...perContext, ...perRun];
}

/** One of several measurements of a layout. */
export interface TrustedResult {
  readonly result: MeasureResult;
  readonly trust: Trust;
}

/**
 * The geometric mean, for times and rates alike, so that a rate stays the inverse of its time. Values of 0
 * require the arithmetic mean.
 */
const centre = (values: readonly number[]): number =>
  values.every((value) => value > 0)
    ? Math.exp(sum(values.map(Math.log)) / values.length)
    : sum(values) / values.length;

/**
 * Returns the metrics of a layout that was measured several times: all samples of each, and the mean of the
 * measurements' values, because samples of one session are not independent. Memory is that of the largest
 * process. A metric is stable if all measurements had good conditions and all samples together vary by no
 * more than the last measurement's limit.
 */
export function joinedMetrics(parts: readonly TrustedResult[], device: string): readonly Metric[] {
  const { cvLimit } = parts.at(-1)!.trust;
  const each = parts.map(({ result, trust }) =>
    deviceMetrics(result, device, { ...trust, cvLimit: Number.POSITIVE_INFINITY }),
  );
  return each[0]!.flatMap((first): Metric[] => {
    const own = each.flatMap((metrics) => metrics.find(({ name }) => name === first.name) ?? []);
    // A substitute device may not report a metric. The other devices' values alone would not be comparable.
    if (own.length < each.length) return [];
    const samples = own.flatMap((metric) => metric.samples);
    const { cv, max } = summarise(samples);
    const kind = kindOf(first.name);
    const isLargest = kind?.from === "measured" && kind.per === "run" && kind.isReliable !== undefined;
    return [
      {
        ...first,
        value: isLargest ? max : centre(own.map((metric) => metric.value)),
        samples,
        sessions: own.map((metric) => metric.samples.length),
        stable: own.every(({ stable }) => stable) && (isLargest || cv <= cvLimit),
      },
    ];
  });
}

/** An interval of the median needs this many samples. With fewer it would equal their range. */
const MIN_SAMPLES = 5;

/**
 * Returns the spread of a metric's samples and a 95% BCa interval of the median (null for few samples). Null
 * without samples.
 */
export function describeSamples(
  { samples }: Metric,
  rng: Rng,
): (Summary & { readonly interval: Interval | null }) | null {
  if (samples.length === 0) return null;
  const median = (values: readonly number[]): number => summarise(values).median;
  const interval = samples.length < MIN_SAMPLES ? null : bcaInterval(samples, median, rng);
  return { ...summarise(samples), interval };
}
