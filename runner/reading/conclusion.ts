// What a sweep can and cannot conclude, in five lines: which layout is surely on the front, which are not told apart, how much another session or
// seed would differ, how far its scores reach, and the next command.

import { formatNumber } from "../../reports/format.ts";
import { frontPoints, reachText } from "../../reports/front.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { FrontData, ReportObjective } from "../../reports/model.ts";
import { pairsApart } from "../../search/noise/apart.ts";
import { estimatesOf, type History, scaleOf, spreadOf } from "../sweep/estimates.ts";
import { inWords } from "./report-trials.ts";

/** Told to be on the front from this chance on. */
const SURE = 0.9;

export function conclusionLines(data: FrontData, history: History): readonly string[] {
  const front = frontPoints(data);
  if (front.length === 0) return ["Nothing is concluded: no layout is complete."];
  const sure = front.filter(({ trial }) => (trial.chance ?? 0) > SURE).map(({ label }) => label);
  const reach = reachText(data);
  const declared = front.filter(({ trial }) => trial.origin === inWords.declared).map(({ label }) => label);
  const sampled = data.objectives.filter(({ name }) => scaleOf(name) !== "exact");
  const notFound =
    declared.length === 0
      ? ""
      : ` ${declared.join(", ")} ${declared.length === 1 ? "was" : "were"} declared for comparison, not found by the search.`;
  return [
    (sure.length === 0
      ? `Front: no layout is on it with a chance above ${100 * SURE}%; ${front.length} may be.`
      : `Front: ${sure.join(", ")} ${sure.length === 1 ? "is" : "are"} on it with a chance above ${100 * SURE}%${sure.length < front.length ? `; of the other ${front.length - sure.length} it is not sure` : ""}.`) +
      notFound,
    `Order: ${sampled.map((objective) => orderText(objective, data, history)).join("; ") || "nothing was measured or trained"}.`,
    `Noise: ${sampled.map((objective) => noiseText(objective, data, history)).join("; ")}.`,
    ...(reach === null ? [] : [`Quality: ${reach}`]),
    `Next: measure and train the choice again before relying on it: edgefront select ${data.sweep} --confirm`,
  ];
}

function orderText(objective: ReportObjective, data: FrontData, history: History): string {
  const layouts = data.trials.filter(({ state }) => state === "complete");
  const known = [...estimatesOf(layouts, objective.name, history).values()];
  const { pairs, told } = pairsApart(known, scaleOf(objective.name));
  const label = metricLabel(objective.name, { device: false }).toLowerCase();
  if (told.length === 0) return `no two layouts differ surely in ${label}`;
  return `${told.length} of ${pairs} pairs of layouts differ surely in ${label}`;
}

function noiseText({ name }: ReportObjective, data: FrontData, history: History): string {
  const layouts = data.trials.filter(({ state }) => state === "complete");
  const spread = spreadOf(layouts, name, history);
  const label = metricLabel(name, { device: false }).toLowerCase();
  const what = scaleOf(name) === "ratio" ? "session" : "seed";
  if (spread === null) return `how much another ${what} changes ${label} is unknown`;
  const sd = Math.sqrt(spread.variance);
  const size = scaleOf(name) === "ratio" ? `${formatNumber(100 * sd, 2)}%` : formatNumber(sd, 2);
  return `another ${what} changes ${label} by ${size} (one standard deviation)`;
}
