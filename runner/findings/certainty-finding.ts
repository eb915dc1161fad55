// How certain the front is, as a finding: each layout's chance to be on it, what to repeat first, and whether the front has settled.
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import type { Estimate } from "../../search/noise/estimate.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import type { FindingsContext, Point, Repeated } from "../reading/findings-context.ts";
import { chancesOf, estimatesOf, pointsOf } from "../sweep/estimates.ts";

/** Layouts in the table at most. */
const SHOWN = 40;

export function certaintyFinding(context: FindingsContext): ReportFinding | null {
  const { objectives, points, hypervolumes, repetitions, history } = context;
  if (points.length < 2) return null;
  const layouts = points.map(({ id, raw }) => ({ id, metrics: raw }));
  const known = objectives.map(({ name }) => estimatesOf(layouts, name, history));
  const chances = chancesOf(pointsOf(layouts, objectives, history));
  const settled = frontSettled(hypervolumes, chances);
  const doubtful = chances.filter((chance) => chance > 0.1 && chance < 0.9).length;
  const unknown = objectives.filter((_, m) => [...known[m]!.values()].some((one) => one.low === null));
  const shown = points
    .map((point, n) => ({ point, chance: chances[n]!, estimates: known.map((own) => own.get(n)!) }))
    .filter(({ point, chance }) => point.onFront || chance > 0.1)
    .sort((a, b) => b.chance - a.chance || a.point.number - b.point.number)
    .slice(0, SHOWN);
  return {
    id: "certainty",
    question: "How certain is the front?",
    answer:
      `${doubtful} of ${points.length} measured layouts may or may not be on it (chance between 10% and 90%). ` +
      `The front has ${settled.settled ? "settled" : "not settled"}: ${settled.reason}.` +
      takenText(repetitions),
    table: {
      head: [
        "Layout",
        "On the front",
        "Chance",
        ...(repetitions.length === 0 ? [] : ["Repeated"]),
        ...objectives.map(({ name }) => `${metricLabel(name)} (95%)`),
      ],
      rows: shown.map(({ point, chance, estimates }) => [
        `#${point.number} ${point.id.slice(0, 11)}`,
        point.onFront ? "yes" : "no",
        `${Math.round(100 * chance)}%`,
        ...(repetitions.length === 0 ? [] : [joinedOf(repetitions, point.number)]),
        ...objectives.map(({ name, unit }, m) => valueText(point, name, unit, estimates[m]!)),
      ]),
    },
    notes: [
      "Intervals are 95% for another session on the same device, or another seed: the spread between sessions (seeds) is pooled over layouts, and " +
        "Student's t allows for how few were repeated. Chances also allow for the luck of the best of many (an empirical Bayes model of the layouts).",
      ...(unknown.length === 0
        ? []
        : [
            `Nothing was measured or trained twice, so the error is unknown and taken as the spread between layouts: ${unknown
              .map(({ name }) => metricLabel(name))
              .join(", ")}. Repeat some layouts (search.replicate) to know it.`,
          ]),
    ],
  };
}

/** `0.211 ms [0.196, 0.228] ~`: the interval, and the mark of an unstable value. */
function valueText(point: Point, name: string, unit: string, { low, high }: Estimate): string {
  const value = formatValue(point.metrics[name]!, unit);
  const mark = point.raw[name]!.stable ? "" : " ~";
  if (low === null || high === null) return `${value} (error unknown)${mark}`;
  return low === high ? value : `${value} [${formatValue(low, unit)}, ${formatValue(high, unit)}]${mark}`;
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
    ` Layouts were repeated: ${counts("measure")} more measurements and ${counts("train")} more seeds` +
    `${failed === 0 ? "" : `; ${failed} repetitions failed`}.`
  );
}

/** How often a layout was repeated, by kind. */
function joinedOf(repetitions: readonly Repeated[], number: number): string {
  const own = joined(repetitions).filter((one) => one.number === number);
  const measured = own.filter(({ kind }) => kind === "measure").length;
  return own.length === 0 ? "-" : `${measured} measured, ${own.length - measured} trained`;
}
