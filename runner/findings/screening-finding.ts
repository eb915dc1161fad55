// Whether screening was right, as a finding: predictions that were written down before measuring, beside what was measured; and what the
// audited layouts, measured although they were predicted to be over budget, turned out to be.
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { judge } from "../../search/judge.ts";
import type { FindingsContext } from "../reading/findings-context.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
const layouts = (n: number): string => (n === 1 ? "1 layout" : `${n} layouts`);

/** Null where nothing was foreseen. */
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
      ? "None of them has been measured to see whether that was right."
      : `Of ${audited.length} more that were measured all the same, ${audited.length - wrong} were over budget and ${wrong} ${wrong === 1 ? "was" : "were"} not.`;
  return {
    id: "screening",
    question: "Was it right not to measure some layouts?",
    answer: `${layouts(screened)} predicted to be certainly over budget ${screened === 1 ? "was" : "were"} not measured. ${audits}`,
    ...(rows.length === 0
      ? {}
      : {
          table: {
            head: ["Metric", "Foreseen", `Inside the ${percent(coverage)} interval`, "Mean error"],
            rows,
          },
        }),
    notes: [
      "Each interval was written down before its layout was measured. Audits are too few to bound what screening missed; raise search.screening.audit to know more.",
    ],
  };
}
