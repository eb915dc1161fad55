// Predicts a positive metric (ms, bytes) of a layout from a sweep's own measurements: an additive cost per
// operator, times a learned residual, with conformal intervals. Predictions order the next measurements and
// never enter the front.
import { type Layout, layoutId } from "../../candidates/layout.ts";
import type { Featurizer } from "../features.ts";
import { defaultHyperparameters, GaussianProcess, Inputs } from "../model/gaussian-process.ts";
import { additive, type Coefficients, fitAdditive, termsOf } from "./additive.ts";

export interface Measured {
  readonly layout: Layout;
  readonly value: number;
}

export interface PredictorOptions {
  readonly features: Featurizer<Layout>;
  /** Context length of the metric, for the size of the cache; 0 where the cache has no influence. */
  readonly context: number;
  /** Share of new layouts whose value should lie in the interval, e.g. 0.9. */
  readonly coverage: number;
}

interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** One point of the error chart: a layout and its prediction by a model fitted without that layout. */
interface HeldOut extends Interval {
  readonly id: string;
  readonly measured: number;
}

export interface Predictor {
  predict(layout: Layout): Interval;
  readonly coefficients: Coefficients;
  /** Each with an interval from the errors of the other folds alone, so that its coverage is a fair test. */
  readonly heldOut: readonly HeldOut[];
  /** Mean and largest relative error of the held-out predictions. */
  readonly meanError: number;
  readonly worstError: number;
}

/** With fewer layouts, common coverages have no quantile of the errors yet, and folds are too small. */
export const MIN_MEASURED = 10;
const FOLDS = 5;
const FIT_STEPS = 25;

/**
 * Fits a predictor. Throws RangeError on fewer than MIN_MEASURED layouts, or on values that are not positive.
 */
export function fitPredictor(measured: readonly Measured[], options: PredictorOptions): Predictor {
  if (measured.length < MIN_MEASURED) {
    throw new RangeError(`a predictor needs ${MIN_MEASURED} measured layouts; there are ${measured.length}`);
  }
  for (const { layout, value } of measured) {
    if (!(value > 0 && Number.isFinite(value)))
      throw new RangeError(`${layoutId(layout)}: ${value} is not a positive value`);
  }
  // Sorted by id, so that the order of measurements has no effect and neighbours in a search fall into
  // different folds.
  const sorted = measured
    .map(({ layout, value }) => ({ id: layoutId(layout), layout, value }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const predictions = sorted.map(() => 0);
  for (let fold = 0; fold < FOLDS; fold++) {
    const { predict } = fitPoint(
      sorted.filter((_, n) => n % FOLDS !== fold),
      options,
    );
    for (const [n, { layout }] of sorted.entries()) if (n % FOLDS === fold) predictions[n] = predict(layout);
  }
  // Cross-conformal: the quantile of the held-out errors, on the logarithm, with the correction for finite
  // samples.
  const errors = sorted.map(({ value }, n) => Math.abs(Math.log(value / predictions[n]!)));
  const factorOf = (known: readonly number[]): number => {
    const rank = Math.ceil((known.length + 1) * options.coverage);
    return rank > known.length
      ? Number.POSITIVE_INFINITY
      : Math.exp(known.toSorted((a, b) => a - b)[rank - 1]!);
  };
  const around = (value: number, factor: number): Interval => ({
    value,
    low: value / factor,
    high: value * factor,
  });
  const factor = factorOf(errors);
  const factorWithout = Array.from({ length: FOLDS }, (_, fold) =>
    factorOf(errors.filter((_, n) => n % FOLDS !== fold)),
  );

  const whole = fitPoint(sorted, options);
  const relative = sorted.map(({ value }, n) => Math.abs(predictions[n]! - value) / value);
  return {
    predict: (layout) => around(whole.predict(layout), factor),
    coefficients: whole.coefficients,
    heldOut: sorted.map(({ id, value }, n) => ({
      id,
      measured: value,
      ...around(predictions[n]!, factorWithout[n % FOLDS]!),
    })),
    meanError: relative.reduce((sum, error) => sum + error, 0) / relative.length,
    worstError: Math.max(...relative),
  };
}

function fitPoint(measured: readonly Measured[], { features, context }: PredictorOptions) {
  const coefficients = fitAdditive(
    measured.map(({ layout }) => termsOf(layout, context)),
    measured.map(({ value }) => value),
  );
  const base = (layout: Layout): number => additive(coefficients, termsOf(layout, context));
  const residual = new GaussianProcess(
    new Inputs(
      measured.map(({ layout }) => features.features(layout)),
      features.groups,
    ),
    measured.map(({ layout, value }) => Math.log(value / base(layout))),
    defaultHyperparameters(Math.max(...features.groups) + 1),
    FIT_STEPS,
  );
  const predict = (layout: Layout): number =>
    base(layout) * Math.exp(residual.predict(features.features(layout)).mean);
  return { coefficients, predict };
}
