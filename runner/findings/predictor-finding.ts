// The finding "predictor": how well a model fitted to this sweep predicts its measurements. The model is an
// additive cost per operator plus a learned residual, tested on held-out layouts. Predictions order what to
// measure; they are never points of the front.

import type { Space } from "../../candidates/space.ts";
import { parseMetricName } from "../../profilers/metrics/name.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { layoutFeatures } from "../../search/features.ts";
import { fitPredictor, MIN_MEASURED, type Predictor } from "../../search/predictor/predictor.ts";
import type { FindingsContext } from "../reading/findings-context.ts";
import { isPredicted } from "../sweep/batch-screening.ts";

/**
 * Largest number of fitted layouts, evenly spread: six fits, whose cost grows with the cube, take half of a
 * report's time.
 */
const MOST_FITTED = 160;
export const COVERAGE = 0.9;

export interface FittedMetric {
  readonly metric: string;
  readonly unit: string;
  readonly predictor: Predictor;
}

/** Returns a predictor for each measured time and memory size with enough layouts. */
export function fitMetrics(context: FindingsContext, space: Space): readonly FittedMetric[] {
  const wanted = new Set([
    ...context.objectives.map(({ name }) => name),
    ...context.budgets.map(({ metric }) => metric),
  ]);
  const features = layoutFeatures(space);
  return [...wanted].filter(isPredicted).flatMap((metric) => {
    const known = context.measured.flatMap(({ layout, metrics }) =>
      metrics[metric] !== undefined && metrics[metric] > 0 ? [{ layout, value: metrics[metric] }] : [],
    );
    const step = Math.ceil(known.length / MOST_FITTED);
    const measured = known.filter((_, n) => n % step === 0);
    if (measured.length < MIN_MEASURED) return [];
    const at = parseMetricName(metric).context ?? Math.max(...context.config.measure.contexts);
    const predictor = fitPredictor(measured, { features, context: at, coverage: COVERAGE });
    const unit = context.unitOf(metric);
    return [{ metric, unit, predictor }];
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Returns the finding; null when no metric has enough layouts for a fit. */
export function predictorFinding(context: FindingsContext, space: Space): ReportFinding | null {
  const fitted = fitMetrics(context, space);
  if (fitted.length === 0) return null;
  const rows = fitted.map(({ metric, unit, predictor }) => {
    const inside = predictor.heldOut.filter(({ measured, low, high }) => measured >= low && measured <= high);
    const worst = predictor.heldOut.toSorted(
      (a, b) => Math.abs(Math.log(b.measured / b.value)) - Math.abs(Math.log(a.measured / a.value)),
    )[0]!;
    const largest = [...predictor.coefficients].sort((a, b) => b[1] - a[1]).filter(([, value]) => value > 0);
    return {
      cells: [
        metricLabel(metric),
        String(predictor.heldOut.length),
        percent(predictor.meanError),
        percent(predictor.worstError),
        percent(inside.length / predictor.heldOut.length),
        `${formatValue(worst.measured, unit)}, predicted ${formatValue(worst.value, unit)}`,
      ],
      terms: largest.map(([name]) => name),
    };
  });
  const mean = fitted.map(
    ({ metric, predictor }) => `${metricLabel(metric)} ${percent(predictor.meanError)}`,
  );
  return {
    id: "predictor",
    question: "Can these measurements be predicted?",
    answer: `Mean error on held-out layouts: ${mean.join(", ")}. Predictions decide what to measure next and are never on the front.`,
    table: {
      head: [
        "Metric",
        "Layouts",
        "Mean error",
        "Worst",
        `Inside the ${100 * COVERAGE}% interval`,
        "Largest error",
      ],
      rows: rows.map(({ cells }) => cells),
    },
    notes: [
      `Five-fold cross-validation by layout id: each layout is predicted by a fit without it, and the width of its interval comes from the other folds' errors. At most ${MOST_FITTED} layouts are fitted, evenly spread over the latest.`,
    ],
  };
}
