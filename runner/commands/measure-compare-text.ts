// The text of measure --compare: why it ended, both sides, a line for each metric, the spread of the pairs
// and the pairs needed.
import type { MetricComparison, Side } from "../../profilers/compare.ts";
import { LOW_QUANTILE } from "../../profilers/compared-values.ts";
import { kindOf, metricName, parseMetricName } from "../../profilers/metrics/name.ts";
import { formatNumber } from "../../reports/format.ts";
import { columns, formatBytes } from "./common.ts";
import { type Comparison, MAX_PAIRS } from "./measure-compare.ts";

const signed = (share: number): string => `${share >= 0 ? "+" : ""}${(100 * share).toFixed(1)}%`;
const isSize = (metric: string): boolean => kindOf(metric)?.unit === "bytes";
const shown = (metric: string, value: number): string =>
  isSize(metric) ? formatBytes(value) : formatNumber(value, 4);

/** Returns the label of a metric, such as `TTFT ms @1024x4`; the unit of a size stands beside its values. */
function nameOf(metric: string): string {
  const { base, ...where } = parseMetricName(metric);
  const { label, short, unit } = kindOf(metric)!;
  return `${isSize(metric) ? label.toLowerCase() : `${short} ${unit}`} ${metricName({ base: "", ...where })}`.trimEnd();
}

function verdictText({ verdict, metric }: MetricComparison, effect: number): string {
  if (verdict === "undecided") return "undecided";
  if (verdict === "same") return `the same within ${100 * effect}%`;
  const what = isSize(metric) ? "smaller" : "faster";
  return `${verdict === "a-better" ? "A" : "B"} is ${what}`;
}

const intervalText = ({ interval: { low, high } }: MetricComparison): string =>
  Number.isFinite(low) && Number.isFinite(high) ? `${signed(low)} to ${signed(high)}` : "too few pairs";

/** Returns how many pairs ran, and why no more. */
function endText({ pairs, stages, ended, voided, metrics }: Comparison, device: string): string {
  const most = stages.reduce((sum, stage) => sum + stage, 0);
  const undecided = metrics.filter(({ verdict }) => verdict === "undecided").length;
  const why =
    ended === "decided"
      ? "ended early, because every metric has a verdict"
      : undecided === 0
        ? "all ran, and every metric has a verdict"
        : `all ran, and ${undecided} of ${metrics.length} ${metrics.length === 1 ? "metric is" : "metrics are"} undecided`;
  const again =
    voided === 0 ? "" : `; ${voided} ${voided === 1 ? "pair was" : "pairs were"} discarded and repeated`;
  return (
    `${pairs.length} of at most ${most} pairs on ${device}: ${why}${again}\n` +
    "each run in a new process, in random order within each pair"
  );
}

const pairsText = (pairs: number | null): string => {
  if (pairs === null) return "";
  return pairs > MAX_PAIRS ? `over ${formatNumber(MAX_PAIRS)}` : String(pairs);
};

/** Returns the comparison for people. `names`: the models A and B. */
export function comparisonText(
  comparison: Comparison,
  names: Readonly<Record<Side, string>>,
  device: string,
): string {
  const { rules, metrics } = comparison;
  const rows = metrics.map((judged) => [
    nameOf(judged.metric),
    shown(judged.metric, judged.a),
    shown(judged.metric, judged.b),
    signed(judged.change),
    intervalText(judged),
    judged.adjustedP < 0.001 ? "<0.001" : judged.adjustedP.toFixed(3),
    verdictText(judged, rules.effect),
  ]);
  const differences = metrics[0]!.pairsNeeded.map(({ difference }) => `PAIRS FOR ${100 * difference}%`);
  const power = metrics.map(({ metric, pairSd, pairsNeeded }) => [
    nameOf(metric),
    pairSd === null ? "" : `${(100 * pairSd).toFixed(1)}%`,
    ...pairsNeeded.map(({ pairs }) => pairsText(pairs)),
  ]);
  return [
    `A  ${names.a}`,
    `B  ${names.b}`,
    endText(comparison, device),
    "",
    columns([["", "A", "B", "B vs A", "95% INTERVAL", "p", "VERDICT"], ...rows], [1, 2, 3, 4, 5]),
    "",
    columns([["", "PAIR SD", ...differences], ...power], [1, 2, 3]),
    "",
    "PAIR SD: spread of B / A between pairs (robust). PAIRS FOR: value of --pairs that finds such a difference in 80% of comparisons.",
    `Error rate: a layout compared with itself differs in at most ${100 * rules.errorRate}% of comparisons (exact rank test, p adjusted ` +
      `for ${metrics.length} ${metrics.length === 1 ? "metric" : "metrics"} and all planned looks). The intervals are valid for an early end. ` +
      `Times are ${100 * LOW_QUANTILE}% quantiles over the repetitions and tokens of a run.`,
    ...nextStep(comparison),
  ].join("\n");
}

/** Returns the command for an undecided comparison. */
function nextStep({ metrics, pairs }: Comparison): readonly string[] {
  const open = metrics.filter(({ verdict }) => verdict === "undecided");
  if (open.length === 0) return [];
  // Enough for the smallest difference of interest, and at least twice the number that was not enough.
  const needed = Math.max(2 * pairs.length, ...open.map(({ pairsNeeded }) => pairsNeeded[0]?.pairs ?? 0));
  return [
    `Undecided: more pairs may decide. Run the command again with --pairs ${Math.min(needed, MAX_PAIRS)}. To add pairs later instead, save the ` +
      "result with --json > comparison.json and run with --extend comparison.json --pairs 20",
  ];
}
