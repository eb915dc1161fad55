// Facts of the layouts themselves, without a verdict, because no measurement could change them.
import { parameterCount, staticCost } from "../../candidates/cost.ts";
import { attentionCount } from "../../candidates/space.ts";
import { formatNumber, formatValue } from "../../reports/format.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import type { Measured, Study } from "./study.ts";

const ratio = ({ names, pattern }: Study, { point }: Measured): string =>
  `${formatNumber(point.metrics[names.memory]! / pattern.point.metrics[names.memory]!, 3)}x`;

function kvBytes({ context: { config } }: Study, { layout }: Measured): number {
  const { contexts, quantization } = config.measure;
  return staticCost(layout, { context: Math.max(...contexts), quantization }).kvBytes;
}

/** Returns the answer; null if the all-attention layout has no result. */
export function countedAnswer(study: Study): ReportFinding | null {
  const rows = study.measured.filter(({ group }) => group === "count");
  const all = rows.find(({ layout }) => attentionCount(layout) === layout.layers.length);
  if (all === undefined) return null;
  return {
    id: "counted",
    question: "What follows from the number of attention layers alone?",
    answer: `All attention takes ${ratio(study, all)} the memory of the published pattern, at the same parameter count.`,
    verdict: "counted",
    table: {
      head: ["Layout", "Parameters", "KV cache", "Peak memory / pattern's"],
      rows: [...rows, study.pattern].map((one) => [
        one.label,
        parameterCount(one.layout).toLocaleString("en"),
        formatValue(kvBytes(study, one), "bytes"),
        ratio(study, one),
      ]),
    },
    notes: ["Parameters and cache are counted, memory was measured; there is no test and no verdict."],
  };
}
