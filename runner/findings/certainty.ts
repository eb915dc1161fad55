// How certain the front is, as a finding: each point's chance to be non-dominated under the spread of its samples, what to
// repeat first, and whether the front has settled.
import { formatValue } from "../../reports/format.ts";
import { metricLabel, parseMetricName } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { frontProbabilities, type NoisyPoint, whatToRepeat } from "../../search/noise/front-probability.ts";
import { pooledErrors } from "../../search/noise/pooled-errors.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import { orient } from "../../search/pareto.ts";
import { createRng } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point, Repeated } from "./context.ts";

/** Standard error of the mean of the samples; 0 where there is one, since nothing says how far it is off. */
export function standardError(samples: readonly number[]): number {
  const n = samples.length;
  if (n < 2) return 0;
  const mean = samples.reduce((sum, x) => sum + x, 0) / n;
  return Math.sqrt(samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) / n);
}

/**
 * Points with their errors: each from its own samples; `pooled`, where a sweep repeats what is in doubt: with a share of what is common to
 * all, so that a single seed is not taken as exact.
 */
export function noisyPoints(
  points: readonly Pick<Point, "id" | "metrics" | "raw">[],
  objectives: readonly Objective[],
  pooled = false,
): readonly NoisyPoint[] {
  const samples = objectives.map(({ name }) => points.map(({ raw }) => raw[name]?.samples ?? []));
  const errors = objectives.map(({ name }, m) =>
    pooled
      ? // Times and sizes vary in proportion, scores do not.
        pooledErrors(samples[m]!, { relative: parseMetricName(name).device !== null })
      : samples[m]!.map(standardError),
  );
  return points.map(({ id, metrics }, n) => ({
    id,
    mean: orient(metrics, objectives),
    standardError: errors.map((own) => own[n]!),
    repetitions: Math.max(1, ...samples.map((own) => own[n]!.length)),
  }));
}

/** Chance of each point to be on the front. Same points, same answer. */
export const probabilitiesOf = (noisy: readonly NoisyPoint[]): readonly number[] =>
  frontProbabilities(noisy, createRng(1));

export function certaintyFinding(context: FindingsContext): ReportFinding | null {
  const { objectives, points, hypervolumes, repetitions, config } = context;
  if (points.length < 2) return null;
  const pooled = config.search.repeat !== undefined;
  const noisy = noisyPoints(points, objectives, pooled);
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
        : ` Another measurement would tell most at ${repeat.map(({ id }) => id).join(", ")}.`) +
      takenText(repetitions),
    table: {
      head: [
        "Layout",
        "On the front",
        "Chance",
        ...(repetitions.length === 0 ? [] : ["Repeated"]),
        ...objectives.map(({ name }) => `${metricLabel(name)} (95%)`),
      ],
      rows: shown.map(({ point, noisy: { standardError: errors }, probability }) => [
        `#${point.number} ${point.id.slice(0, 11)}`,
        point.onFront ? "yes" : "no",
        `${Math.round(100 * probability)}%`,
        ...(repetitions.length === 0 ? [] : [joinedOf(repetitions, point.number)]),
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
      pooled
        ? "Errors are standard errors, taken as Gaussian and independent: the spread of all layouts' samples counts as one more sample of each. Spread between sessions is in them only where a layout was measured again."
        : "Errors are the standard errors of each trial's samples, taken as Gaussian and independent. Spread between sessions is not in them.",
      ...(single.length === 0 || pooled
        ? []
        : [
            `One sample each, so taken as exact: ${single.map(({ name }) => metricLabel(name)).join(", ")}. More seeds or repetitions would say how exact.`,
          ]),
    ],
  };
}

const joined = (repetitions: readonly Repeated[]): readonly Repeated[] =>
  repetitions.filter(({ state }) => state === "joined");

function takenText(repetitions: readonly Repeated[]): string {
  const ended = repetitions.filter(({ state }) => state !== "planned");
  if (ended.length === 0) return "";
  const counts = (kind: Repeated["kind"]): number =>
    joined(repetitions).filter((one) => one.kind === kind).length;
  const failed = ended.length - joined(ended).length;
  return (
    ` The sweep repeated what was in doubt: ${counts("measure")} more measurements and ${counts("train")} more seeds` +
    `${failed === 0 ? "" : `; ${failed} repetitions came to nothing`}.`
  );
}

/** How often a layout was repeated, by kind. */
function joinedOf(repetitions: readonly Repeated[], number: number): string {
  const own = joined(repetitions).filter((one) => one.number === number);
  const measured = own.filter(({ kind }) => kind === "measure").length;
  return own.length === 0 ? "-" : `${measured} measured, ${own.length - measured} trained`;
}
