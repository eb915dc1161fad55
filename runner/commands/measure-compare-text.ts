// What measure --compare tells people: why it ended, both sides, a line a metric, how much the pairs vary and how many would be needed.
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

/** `TTFT ms @1024x4`; sizes are shown with their unit. */
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

/** How many pairs were run, and why not more. */
function endText({ pairs, stages, ended, voided, metrics }: Comparison, device: string): string {
  const most = stages.reduce((sum, stage) => sum + stage, 0);
  const undecided = metrics.filter(({ verdict }) => verdict === "undecided").length;
  const why =
    ended === "decided"
      ? "ended early: every metric has its verdict"
      : undecided === 0
        ? "all were run, and every metric has its verdict"
        : `all were run, and ${undecided} of ${metrics.length} ${metrics.length === 1 ? "metric" : "metrics"} stayed undecided`;
  const again = voided === 0 ? "" : `; ${voided} void ${voided === 1 ? "pair was" : "pairs were"} run again`;
  return (
    `${pairs.length} of at most ${most} pairs on ${device}: ${why}${again}\n` +
    "each run in a fresh process, the order within each pair drawn"
  );
}

const pairsText = (pairs: number | null): string => {
  if (pairs === null) return "";
  return pairs > MAX_PAIRS ? `over ${formatNumber(MAX_PAIRS)}` : String(pairs);
};

/** For people. `names`: what A and B are. */
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
    "PAIR SD: how much B / A varies from pair to pair (robust). PAIRS FOR: --pairs that find such a difference in 80% of comparisons.",
    `Of comparisons of a layout with itself at most ${100 * rules.errorRate}% find any difference (exact rank test in drawn order, p adjusted ` +
      `for ${metrics.length} ${metrics.length === 1 ? "metric" : "metrics"} and all planned looks). Intervals hold whenever a comparison ends. ` +
      `Times are ${100 * LOW_QUANTILE}% quantiles of the repetitions and tokens of each run.`,
    ...nextStep(comparison),
  ].join("\n");
}

/** What to run where something stayed undecided. */
function nextStep({ metrics, pairs }: Comparison): readonly string[] {
  const open = metrics.filter(({ verdict }) => verdict === "undecided");
  if (open.length === 0) return [];
  // Of differences as small as count; at least twice as many as were not enough.
  const needed = Math.max(2 * pairs.length, ...open.map(({ pairsNeeded }) => pairsNeeded[0]?.pairs ?? 0));
  return [
    `Undecided: more pairs may tell. Run this command again with --pairs ${Math.min(needed, MAX_PAIRS)}. A result kept with ` +
      "--json > comparison.json takes more pairs later: --extend comparison.json --pairs 20",
  ];
}
