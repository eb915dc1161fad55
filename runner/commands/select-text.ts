// The text of `edgefront select`: the choice beside its runner-up, every value with its interval and marks,
// and the reasons.
import { choiceOf } from "../../reports/choices.ts";
import { confirmationLines, confirmationTable } from "../../reports/confirmation.ts";
import { formatParameters, formatRange, formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportConfirmation, ReportObjective, ReportTrial } from "../../reports/report-model.ts";
import { shownChance } from "../../search/selection/confirm.ts";
import { columns } from "./common.ts";

export interface SelectText {
  readonly chosen: ReportTrial | null;
  readonly runnerUp: ReportTrial | null;
  /** Metrics in the table. */
  readonly shown: readonly string[];
  readonly reasons: readonly string[];
  /** A line for an unfinished sweep. */
  readonly unfinished: string | null;
  readonly confirmed: ReportConfirmation | null;
  readonly objectives: readonly ReportObjective[];
}

function valueText(trial: ReportTrial, name: string): string {
  const metric = trial.metrics[name];
  const known = choiceOf(trial).metrics[name];
  if (metric === undefined || known === undefined) return "-";
  const { low, high, marks } = known;
  const interval =
    low === null || high === null || low === high ? "" : ` [${formatRange(low, high, metric.unit)}]`;
  return `${formatValue(metric.value, metric.unit)}${interval}${marks.length > 0 ? " ~" : ""}`;
}

/** Explains `~`, if any value has it. */
function markLines(trials: readonly ReportTrial[], shown: readonly string[]): readonly string[] {
  const marks = new Set(
    trials.flatMap((trial) => {
      const { metrics } = choiceOf(trial);
      return shown.flatMap((name) => metrics[name]?.marks ?? []);
    }),
  );
  return marks.size === 0 ? [] : [`~ do not rely on this value: ${[...marks].join(", ")}`];
}

function confirmedLines(confirmed: ReportConfirmation, objectives: readonly ReportObjective[]): string[] {
  const table = confirmationTable(confirmed, objectives);
  return [
    ...(confirmed.chosen === null ? [] : [confirmed.chosen.notation, ""]),
    ...confirmationLines(confirmed),
    ...(table === null ? [] : ["", columns([table.head, ...table.rows], [1, 2])]),
  ];
}

/** Returns the whole text of the command. */
export function selectText(text: SelectText): string {
  const { chosen, runnerUp, shown, reasons, unfinished, confirmed, objectives } = text;
  const first = [
    ...(unfinished === null ? [] : [unfinished, ""]),
    ...(confirmed === null
      ? []
      : [...confirmedLines(confirmed, objectives), "", "Values measured during the sweep:", ""]),
  ];
  if (chosen === null) return [...first, "No layout meets the budgets.", "", ...reasons].join("\n");
  const pair = runnerUp === null ? [chosen] : [chosen, runnerUp];
  const chances = pair.some(({ chance }) => chance !== undefined)
    ? [["chance on the front", ...pair.map(({ chance }) => shownChance(chance ?? null))]]
    : [];
  return [
    ...first,
    chosen.notation,
    "",
    columns(
      [
        ["", "CHOICE", ...(runnerUp === null ? [] : ["RUNNER-UP"])],
        ["layout", ...pair.map((trial) => trial.id)],
        ["trial", ...pair.map((trial) => `#${trial.number}`)],
        ["parameters", ...pair.map((trial) => formatParameters(trial.parameters))],
        ["attention layers", ...pair.map((trial) => `${choiceOf(trial).attentionLayers}`)],
        ...shown.map((name) => [metricLabel(name), ...pair.map((trial) => valueText(trial, name))]),
        ...chances,
      ],
      [1, 2],
    ),
    ...markLines(pair, shown),
    "",
    ...reasons,
  ].join("\n");
}
