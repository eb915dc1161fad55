// The conclusions of a sweep in five lines: certain layouts of the front, pairs of layouts that differ,
// variation of sessions and seeds, the reach of the scores, and the next command.

import { formatNumber } from "../../reports/format.ts";
import { frontPoints, reachText } from "../../reports/front.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { FrontData, ReportObjective } from "../../reports/report-model.ts";
import { pairsApart } from "../../search/noise/apart.ts";
import { estimatesOf, type History, scaleOf, spreadOf } from "../sweep/estimates.ts";
import { inWords } from "./report-trials.ts";

/** A layout with a higher chance counts as certainly on the front. */
const SURE = 0.9;

/** Returns the lines; `data` must hold estimates. */
export function conclusionLines(data: FrontData, history: History): readonly string[] {
  const front = frontPoints(data);
  if (front.length === 0)
    return [
      `No conclusion: sweep "${data.sweep}" has no complete layout. For the reasons: edgefront report ${data.sweep} --format md`,
    ];
  const sure = front.filter(({ trial }) => (trial.chance ?? 0) > SURE).map(({ label }) => label);
  const reach = reachText(data);
  const declared = front.filter(({ trial }) => trial.origin === inWords.declared).map(({ label }) => label);
  const sampled = data.objectives.filter(({ name }) => scaleOf(name) !== "exact");
  const notFound =
    declared.length === 0
      ? ""
      : ` ${declared.join(", ")} ${declared.length === 1 ? "was" : "were"} declared in the configuration, not found by the search.`;
  return [
    (sure.length === 0
      ? `Front: ${front.length} ${front.length === 1 ? "layout" : "layouts"}, none with a chance above ${100 * SURE}%.`
      : `Front: ${front.length} ${front.length === 1 ? "layout" : "layouts"}; ${sure.join(", ")} ${sure.length === 1 ? "has" : "have"} a chance above ${100 * SURE}%${sure.length < front.length ? `, the other ${front.length - sure.length} ${front.length - sure.length === 1 ? "is" : "are"} uncertain` : ""}.`) +
      notFound,
    `Order: ${sampled.map((objective) => orderText(objective, data, history)).join("; ") || "nothing was measured or trained"}.`,
    `Noise: ${sampled.map((objective) => noiseText(objective, data, history)).join("; ")}.`,
    ...(reach === null ? [] : [`Quality: ${reach}`]),
    `Next: before you rely on a layout, measure and train it again: edgefront select ${data.sweep} --confirm`,
  ];
}

function orderText(objective: ReportObjective, data: FrontData, history: History): string {
  const layouts = data.trials.filter(({ state }) => state === "complete");
  const known = [...estimatesOf(layouts, objective.name, history).values()];
  const { pairs, told } = pairsApart(known, scaleOf(objective.name));
  const label = metricLabel(objective.name, { device: false }).toLowerCase();
  if (told.length === 0) return `no two layouts certainly differ in ${label}`;
  return `${told.length} of ${pairs} pairs of layouts certainly differ in ${label}`;
}

function noiseText({ name }: ReportObjective, data: FrontData, history: History): string {
  const layouts = data.trials.filter(({ state }) => state === "complete");
  const spread = spreadOf(layouts, name, history);
  const label = metricLabel(name, { device: false }).toLowerCase();
  const what = scaleOf(name) === "ratio" ? "session" : "seed";
  if (spread === null) return `how much ${label} varies between ${what}s is unknown`;
  const sd = Math.sqrt(spread.variance);
  const size = scaleOf(name) === "ratio" ? `${formatNumber(100 * sd, 2)}%` : formatNumber(sd, 2);
  return `${label} varies by ${size} between ${what}s (one standard deviation)`;
}
