// The answer about the operator between the attention layers: short convolution or sliding window, and the
// kernel size.
import type { ReportFinding } from "../../reports/report-model.ts";
import { PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import { P95, TTFT } from "./decide/decide-study.ts";
import { blocked } from "./decide/endpoint.ts";
import { MATTERS } from "./decide/margins.ts";
import { changeOf } from "./decide/paired-time.ts";
import type { Study } from "./study.ts";
import { endpointText, lossText, marginText, timesText } from "./study-figures.ts";
import { isWindowForConv } from "./study-plan.ts";

const TIMES = [
  { metric: TTFT, name: "time to first token" },
  { metric: P95, name: "p95 time per token" },
];

/** Returns the answer; null if the layout with the window has no result. */
export function localAnswer(study: Study): ReportFinding | null {
  const { measured, pattern, input, endpoints, decisions } = study;
  const rows = measured.filter(({ group }) => group === "local");
  const window = rows.find(({ label }) => isWindowForConv(label));
  if (window === undefined) return null;
  const { pairs } = input.window;
  const times = TIMES.map(({ metric, name }) => {
    const change = changeOf(pairs, metric);
    return `${change === null ? "too few pairs for" : timesText(change)} the ${name}`;
  });
  const losses = endpoints.map(
    (endpoint) =>
      `${endpointText(endpoint)} ${lossText(endpoint, blocked(endpoint, window.label, PUBLISHED_LABEL))} (margin ${marginText(endpoint)})`,
  );
  return {
    id: "local",
    question: "Is a sliding window better than the short convolution, and which kernel size is best?",
    answer: `A window instead of the convolution: ${times.join(", ")}; ${losses.join("; ")}.`,
    ...study.verdict(decisions.local, "both"),
    table: study.table([pattern, ...rows]),
    notes: [
      `The tested claim is that the window is better in no task by more than the margin, and takes over ${100 * MATTERS}% longer in at least one of the times. ${pairs.length} interleaved pairs were timed. Memory is counted and decides nothing. Kernel sizes are shown, not tested.`,
      ...study.powerNotes("a window for the convolution"),
      ...study.unlearntNotes(),
      study.pooledNote(),
    ],
  };
}
