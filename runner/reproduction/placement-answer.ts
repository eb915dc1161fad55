// The answer about the placement of attention layers: does an early or dense placement raise the time to
// first token?

import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { TTFT } from "./decide/decide-study.ts";
import { MATTERS } from "./decide/margins.ts";
import { changeOf, LEAST_PAIRS } from "./decide/paired-time.ts";
import type { Study } from "./study.ts";
import { timesText } from "./study-figures.ts";
import { coreOf } from "./study-plan.ts";

/** Returns the answer; null if no placement was timed or measured. */
export function placementAnswer(study: Study): ReportFinding | null {
  const { placements } = study.input;
  const { decisions, measured, names } = study;
  if (placements.length === 0 && !measured.some(({ group }) => group === "placement")) return null;
  const { spikes } = decisions.placement;
  const rows = placements.map(({ label, pairs }) => ({ label, pairs, change: changeOf(pairs, TTFT) }));
  const told = rows
    .map(({ label, change }) => `${label} ${change === null ? "too few pairs" : timesText(change)}`)
    .join(", ");
  const { verdict } = decisions.placement;
  const core = new Set(coreOf(measured).map(({ label }) => label));
  const point = (label: string) => measured.find((one) => one.label === label && !core.has(label))?.point;
  return {
    id: "placement",
    question: "Does an early or dense placement of attention raise the time to first token?",
    answer:
      rows.length === 0
        ? "No pairs were timed."
        : `${
            verdict === "agrees"
              ? `Yes: ${spikes.join(", ")}.`
              : verdict === "contradicts"
                ? `No: no placement takes over ${100 * MATTERS}% longer.`
                : "Undecided."
          } Time to first token relative to the spread placement of as many layers: ${told}.`,
    ...study.verdict(decisions.placement, "pairs"),
    table: {
      head: ["Placement", "Pairs", "TTFT / spread", ...names.qualities.map(({ name }) => metricLabel(name))],
      rows: rows.map(({ label, pairs, change }) => [
        label,
        `${pairs.length}`,
        change === null ? "-" : timesText(change),
        ...names.qualities.map((quality) => {
          const own = point(label);
          return own === undefined ? "-" : study.shownQuality(own, quality);
        }),
      ]),
    },
    notes: [
      `Interleaved pairs on one device, in random order within each pair. An exact test decides whether a placement takes over ${100 * MATTERS}% longer, adjusted for ${placements.length} placements (Holm). It needs at least ${LEAST_PAIRS} pairs of each.`,
      ...study.powerNotes("early or dense placement"),
      "The placements have the same operators, parameters and FLOPs; only the order differs.",
    ],
  };
}
