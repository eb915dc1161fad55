// How certain the front is, as a finding: each point's chance to be non-dominated under the spread of its samples, what to
// repeat first, and whether the front has settled.
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding, ReportMetric } from "../../reports/model.ts";
import { frontProbabilities, type NoisyPoint, whatToRepeat } from "../../search/noise/front-probability.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import { orient } from "../../search/pareto.ts";
import { createRng } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point } from "./context.ts";

/** Standard error of the mean of the samples; 0 where there is one, since nothing says how far it is off. */
export function standardError(samples: readonly number[]): number {
  const n = samples.length;
  if (n < 2) return 0;
  const mean = samples.reduce((sum, x) => sum + x, 0) / n;
  return Math.sqrt(samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) / n);
}

export function noisyPoints(
  points: readonly Pick<Point, "id" | "metrics" | "raw">[],
  objectives: readonly Objective[],
): readonly NoisyPoint[] {
  const samplesOf = (metric: ReportMetric | undefined): readonly number[] => metric?.samples ?? [];
  return points.map(({ id, metrics, raw }) => ({
    id,
    mean: orient(metrics, objectives),
    standardError: objectives.map(({ name }) => standardError(samplesOf(raw[name]))),
    repetitions: Math.max(1, ...objectives.map(({ name }) => samplesOf(raw[name]).length)),
  }));
}

/** Chance of each point to be on the front. Same points, same answer. */
export const probabilitiesOf = (noisy: readonly NoisyPoint[]): readonly number[] =>
  frontProbabilities(noisy, createRng(1));

export function certaintyFinding(context: FindingsContext): ReportFinding | null {
  const { objectives, points, hypervolumes } = context;
  if (points.length < 2) return null;
  const noisy = noisyPoints(points, objectives);
  const probabilities = probabilitiesOf(noisy);
  const settled = frontSettled(hypervolumes, probabilities);
  const doubtful = probabilities.filter((p) => p > 0.1 && p < 0.9).length;
  const repeat = whatToRepeat(noisy, probabilities).slice(0, 3);
  const single = objectives.filter(({ name }) =>
    points.every(({ raw }) => (raw[name]?.samples.length ?? 0) === 1),
  );
  const shown = points
    .map((point, index) => ({ point, noisy: noisy[index]!, probability: probabilities[index]! }))
    .filter(({ point, probability }) => point.onFront || probability > 0.1)
    .sort((a, b) => b.probability - a.probability || a.point.number - b.point.number)
    .slice(0, 40);
  return {
    id: "certainty",
    question: "How certain is the front?",
    answer:
      `${doubtful} of ${points.length} measured layouts may or may not be on it (chance between 10% and 90%). ` +
      `The front has ${settled.settled ? "settled" : "not settled"}: ${settled.reason}.` +
      (repeat.length === 0
        ? ""
        : ` Another measurement would tell most at ${repeat.map(({ id }) => id).join(", ")}.`),
    table: {
      head: [
        "Layout",
        "On the front",
        "Chance",
        ...objectives.map(({ name }) => `${metricLabel(name)} (95%)`),
      ],
      rows: shown.map(({ point, noisy: { standardError: errors }, probability }) => [
        `#${point.number} ${point.id.slice(0, 11)}`,
        point.onFront ? "yes" : "no",
        `${Math.round(100 * probability)}%`,
        ...objectives.map(({ name, unit }, m) => {
          const value = point.metrics[name]!;
          const half = 1.96 * errors[m]!;
          return half === 0
            ? formatValue(value, unit)
            : `${formatValue(value, unit)} ± ${formatValue(half, unit)}`;
        }),
      ]),
    },
    notes: [
      "Errors are the standard errors of each trial's samples, taken as Gaussian and independent. Spread between sessions is not in them.",
      ...(single.length === 0
        ? []
        : [
            `One sample each, so taken as exact: ${single.map(({ name }) => metricLabel(name)).join(", ")}. More seeds or repetitions would say how exact.`,
          ]),
    ],
  };
}
