// A confirmed choice in words and figures, for text, Markdown and the page: only the new values, and the
// replaced choices.
import { shownChance } from "../search/selection/confirm.ts";
import { formatRange, formatValue } from "./format.ts";
import { metricLabel } from "./metrics.ts";
import type {
  ReportConfirmation,
  ReportConfirmedLayout,
  ReportConfirmedMetric,
  ReportObjective,
} from "./report-model.ts";

export interface ConfirmationTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** Returns `0.31 ms [0.29–0.33] ~ (unstable)`. */
function valueText(metric: ReportConfirmedMetric | undefined): string {
  if (metric === undefined) return "–";
  const { value, unit, low, high, marks } = metric;
  const interval = low === null || high === null || low === high ? "" : ` [${formatRange(low, high, unit)}]`;
  return `${formatValue(value, unit)}${interval}${marks.length > 0 ? ` ~ (${marks.join(", ")})` : ""}`;
}

/** Returns a line for each replaced choice, and one for the confirmed choice. */
export function confirmationLines(found: ReportConfirmation): readonly string[] {
  const { chosen, rejected, sessions, seeds, left } = found;
  const trained = seeds.report.length > 0;
  const how = `${count(sessions, "new session")}${trained ? ` and ${count(sessions, "new seed")}` : ""}`;
  const replaced = rejected.map(({ id, trial, reason }, n) => {
    const next =
      n < rejected.length - 1 || chosen !== null
        ? "the next layout replaces it"
        : "it was the last one tried";
    return `#${trial} (${id}) was not confirmed: ${reason}; ${next}.`;
  });
  if (chosen === null) {
    const why = left
      ? "more layouts are within the budgets; to try them, raise --replacements"
      : rejected.length === 0
        ? "no layout on the front is within the budgets"
        : "no other layout on the front is within the budgets";
    return [...replaced, `No choice is confirmed; ${why}.`];
  }
  return [
    ...replaced,
    `Confirmed: #${chosen.trial} (${chosen.id}), by ${how}. The values and 95% intervals below come from ${how} more, which decided nothing.`,
    ...(found.runnerUp?.fault == null ? [] : [`The runner-up has no new values: ${found.runnerUp.fault}.`]),
  ];
}

const boundText = (
  name: string,
  { max, min }: { max?: number | undefined; min?: number | undefined },
  unit: string,
): string =>
  [
    metricLabel(name),
    ...(max === undefined ? [] : [`at most ${formatValue(max, unit)}`]),
    ...(min === undefined ? [] : [`at least ${formatValue(min, unit)}`]),
  ].join(" ");

/**
 * Returns the choice beside the runner-up: objectives, budgeted metrics, and the chance of meeting each
 * budget. Null without a confirmed choice.
 */
export function confirmationTable(
  { chosen, runnerUp }: ReportConfirmation,
  objectives: readonly Pick<ReportObjective, "name">[],
): ConfirmationTable | null {
  if (chosen === null) return null;
  const pair: readonly ReportConfirmedLayout[] = runnerUp === null ? [chosen] : [chosen, runnerUp];
  const names = [
    ...new Set([...objectives.map(({ name }) => name), ...chosen.budgets.map(({ metric }) => metric)]),
  ];
  return {
    head: ["", "CHOICE, CONFIRMED", ...(runnerUp === null ? [] : ["RUNNER-UP"])],
    rows: [
      ["trial", ...pair.map(({ trial }) => `#${trial}`)],
      ...names.map((name) => [metricLabel(name), ...pair.map(({ metrics }) => valueText(metrics[name]))]),
      ...chosen.budgets.map((budget, n) => [
        `chance of ${boundText(budget.metric, budget, chosen.metrics[budget.metric]?.unit ?? "")}`,
        ...pair.map(({ budgets }) => shownChance(budgets[n]?.chance ?? null)),
      ]),
    ],
  };
}
