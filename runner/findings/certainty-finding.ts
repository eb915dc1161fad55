// The finding "certainty": each layout's chance of being on the front, its repetitions, and whether the front
// has settled.
import { counted } from "../../candidates/words.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import type { Estimate } from "../../search/noise/estimate.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import type { FindingsContext, Point, Repeated } from "../reading/findings-context.ts";
import { chancesOf, estimatesOf, pointsOf } from "../sweep/estimates.ts";

/** Largest number of layouts in the table. */
const SHOWN = 40;

/** Returns the finding; null with fewer than two complete layouts. */
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
      `${doubtful} of ${points.length} measured layouts ${doubtful === 1 ? "is" : "are"} uncertain (chance of being on the front between 10% and 90%). ` +
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
      "The 95% intervals are for another session on the same device, or another seed. The spread between sessions (seeds) is pooled over layouts, and " +
        "Student's t accounts for the number of repetitions. The chances also account for the luck of the best of many (an empirical Bayes model).",
      ...(unknown.length === 0
        ? []
        : [
            `The error is unknown where no layout was measured or trained twice, and the spread between layouts stands for it: ${unknown
              .map(({ name }) => metricLabel(name))
              .join(", ")}. To know the error, repeat layouts with search.replicate.`,
          ]),
    ],
  };
}

/** Formats a value with its interval and the mark of an unstable value: `0.211 ms [0.196, 0.228] ~`. */
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
    ` Repetitions: ${counted(counts("measure"), "more measurement")} and ${counted(counts("train"), "more seed")}` +
    `${failed === 0 ? "" : `; ${counted(failed, "repetition")} failed`}.`
  );
}

/** Returns the number of a layout's repetitions by kind. */
function joinedOf(repetitions: readonly Repeated[], number: number): string {
  const own = joined(repetitions).filter((one) => one.number === number);
  const measured = own.filter(({ kind }) => kind === "measure").length;
  return own.length === 0 ? "-" : `${measured} measured, ${own.length - measured} trained`;
}
