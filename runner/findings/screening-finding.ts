// The finding "screening": predictions recorded before measuring, beside the measurements, and the result of
// the audited layouts, which were measured although they were predicted to be over budget.
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { judge } from "../../search/judge.ts";
import type { FindingsContext } from "../reading/findings-context.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
const layouts = (n: number): string => (n === 1 ? "1 layout" : `${n} layouts`);

/** Returns the finding; null if nothing was predicted. */
export function screeningFinding({ foreseen, measured, budgets }: FindingsContext): ReportFinding | null {
  const notes = foreseen.flatMap(({ proposals }) => proposals);
  if (notes.length === 0) return null;
  const known = new Map(measured.map((point) => [point.id, point]));
  const screened = notes.filter(({ verdict }) => verdict === "screened").length;
  const audited = notes.flatMap(({ id, verdict }) => {
    const point = verdict === "audited" ? known.get(id) : undefined;
    return point === undefined ? [] : [point];
  });
  const wrong = audited.filter(({ metrics }) => judge(budgets, metrics).state !== "infeasible").length;
  const pairs = notes.flatMap(({ id, predictions }) =>
    predictions.flatMap(({ metric, value, low, high }) => {
      const actual = known.get(id)?.metrics[metric];
      return actual === undefined
        ? []
        : [{ metric, inside: actual >= low && actual <= high, error: Math.abs(value - actual) / actual }];
    }),
  );
  const coverage = foreseen[0]!.coverage;
  const rows = [...new Set(pairs.map(({ metric }) => metric))].map((metric) => {
    const own = pairs.filter((pair) => pair.metric === metric);
    return [
      metricLabel(metric),
      String(own.length),
      percent(own.filter(({ inside }) => inside).length / own.length),
      percent(own.reduce((sum, { error }) => sum + error, 0) / own.length),
    ];
  });
  const audits =
    audited.length === 0
      ? "None was measured as an audit."
      : `As an audit, ${layouts(audited.length)} more ${audited.length === 1 ? "was" : "were"} measured: ${audited.length - wrong} over budget, ${wrong} within budget.`;
  return {
    id: "screening",
    question: "Was it right to skip some layouts?",
    answer: `${layouts(screened)} ${screened === 1 ? "was" : "were"} skipped, because the predictor was ${percent(coverage)} confident that ${screened === 1 ? "it is" : "they are"} over a budget. ${audits}`,
    ...(rows.length === 0
      ? {}
      : {
          table: {
            head: ["Metric", "Predicted", `Inside the ${percent(coverage)} interval`, "Mean error"],
            rows,
          },
        }),
    notes: [
      "Each interval was recorded before its layout was measured. The audits are too few to bound what screening missed; for more, raise search.screening.audit.",
    ],
  };
}
