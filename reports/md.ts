// The report as Markdown, for a pull request, an issue or a wiki. It has the facts of the HTML page, without
// the pictures.

import { counted } from "../candidates/words.ts";
import { confirmationLines, confirmationTable } from "./confirmation.ts";
import { findingsMarkdown } from "./findings-text.ts";
import { formatParameters, formatRange, formatValue } from "./format.ts";
import { countStates, frontPoints, groupByReason, proposedCount, publishedOffFront } from "./front.ts";
import { mixLines } from "./identity-text.ts";
import { emulatedDevices, isEmulated, metricLabel, sampleRange } from "./metrics.ts";
import type { ReportBudget, ReportData, ReportMetric } from "./report-model.ts";
import { markdownFence, escapeMarkdown as md } from "./text.ts";

const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  row(head),
  row(head.map(() => "---")),
  ...rows.map(row),
];

function cell(metric: ReportMetric | undefined): string {
  if (metric === undefined) return "–";
  const range = sampleRange(metric);
  const spread = range === null ? "" : ` (${formatRange(range.low, range.high, metric.unit)}, n=${range.n})`;
  return md(formatValue(metric.value, metric.unit) + spread) + (metric.stable ? "" : " **unstable**");
}

/** Returns `at most 800 ms` or `at least 20 tok/s`, in the unit in which the metric was measured. */
export function budgetText(budget: ReportBudget, data: ReportData): string {
  const unit = data.trials.find((trial) => trial.metrics[budget.metric])?.metrics[budget.metric]?.unit ?? "";
  const bounds = [
    ...(budget.max === undefined ? [] : [`at most ${formatValue(budget.max, unit)}`]),
    ...(budget.min === undefined ? [] : [`at least ${formatValue(budget.min, unit)}`]),
  ];
  return bounds.join(", ");
}

type Label = (name: string) => string;

/** Names of metrics for readers. Metrics of an emulator are marked. */
function labelsOf(emulated: ReadonlySet<string>): Label {
  return (name) => md(metricLabel(name)) + (isEmulated(name, emulated) ? " *(emulated)*" : "");
}

function head(data: ReportData, emulated: ReadonlySet<string>): string[] {
  const front = frontPoints(data);
  const states = Object.entries(countStates(data)).filter(([, n]) => n > 0);
  return [
    `# edgefront sweep ${md(data.sweep)}`,
    "",
    `${counted(front.length, "layout")} on the front of ${proposedCount(data)} proposed (${states.map(([state, n]) => `${n} ${state}`).join(", ")}). ` +
      `Made ${md(data.createdAt)} by edgefront ${md(data.edgefrontVersion)}${data.gitCommit ? `, commit ${md(data.gitCommit)}` : ""}.`,
    "",
    ...(emulated.size === 0
      ? []
      : [
          `> **Emulated:** ${[...emulated].map(md).join(", ")}. Times measured there say nothing about hardware.`,
          "",
        ]),
    ...mixLines(data.identity).flatMap((line) => [`> **Mixed:** ${md(line)}.`, ""]),
    ...(data.notices ?? []).flatMap((notice) => [`> **Notice:** ${md(notice)}.`, ""]),
  ];
}

function frontSection(data: ReportData, label: Label): string[] {
  const front = frontPoints(data);
  const rows = [...front, ...publishedOffFront(data).map((trial) => ({ label: "–", trial }))];
  return [
    "## Front",
    "",
    ...table(
      [
        "",
        "Layout",
        "Parameters",
        ...data.objectives.map((o) => `${label(o.name)} ${o.direction === "min" ? "↓" : "↑"}`),
      ],
      rows.map(({ label: point, trial }) => [
        point,
        `${trial.published === null ? "" : `★ ${md(trial.published)} `}${md(trial.pattern)}`,
        formatParameters(trial.parameters),
        ...data.objectives.map((o) => cell(trial.metrics[o.name])),
      ]),
    ),
    "",
    "Value (smallest–largest raw sample, number of samples). ★ published layout; – measured, not on the front (dominated or over budget).",
    "",
    "Notations of the front, to pass to any edgefront command:",
    "",
    markdownFence(front.map(({ label: point, trial }) => `${point}  ${trial.notation}`).join("\n"), "text"),
    "",
  ];
}

function budgetsSection(data: ReportData, label: Label): string[] {
  if (data.budgets.length === 0) return [];
  const lines = data.budgets.map((b) => `- ${label(b.metric)}: ${md(budgetText(b, data))}`);
  return ["## Budgets", "", ...lines, ""];
}

function outcomesSection(data: ReportData): string[] {
  const groups = groupByReason(data);
  if (groups.length === 0) return [];
  const rows = groups.map(({ state, count, reason, trials }) => {
    const numbers = trials.slice(0, 20).map((trial) => trial.number);
    return [state, String(count), md(reason), numbers.join(", ") + (count > 20 ? ", …" : "")];
  });
  return ["## Without a result", "", ...table(["State", "Trials", "Reason", "Trial numbers"], rows), ""];
}

function confirmationSection({ confirmation, objectives }: ReportData): string[] {
  if (confirmation === undefined) return [];
  const confirmed = confirmationTable(confirmation, objectives);
  const lines = confirmationLines(confirmation).map((line) => `- ${md(line)}`);
  const values =
    confirmed === null
      ? []
      : [
          ...table(
            confirmed.head.map(md),
            confirmed.rows.map((cells) => cells.map(md)),
          ),
          "",
        ];
  return ["## Confirmed choice", "", ...lines, "", ...values];
}

function devicesSection({ devices }: ReportData): string[] {
  const rows = devices.map((d) => [
    md(d.name) + (d.emulated ? " *(emulated)*" : ""),
    md(d.transport),
    `${md(d.cpu)} (${md(d.arch)})`,
    md(d.isa),
    String(d.threads),
    formatValue(d.memoryBytes, "B"),
    md(d.agentSha256.slice(0, 12)),
  ]);
  const heads = ["Device", "Transport", "CPU", "ISA", "Threads", "Memory", "Agent"];
  return ["## Devices", "", ...table(heads, rows), ""];
}

/** Renders the report as Markdown. */
export function renderMarkdown(data: ReportData): string {
  const emulated = emulatedDevices(data);
  const label = labelsOf(emulated);
  const findings = data.findings ?? [];
  const out = [
    ...head(data, emulated),
    ...frontSection(data, label),
    ...budgetsSection(data, label),
    ...outcomesSection(data),
    ...confirmationSection(data),
    ...(findings.length > 0 ? ["## Findings", "", ...findingsMarkdown(findings)] : []),
    ...devicesSection(data),
    "## Environment",
    "",
    ...Object.entries(data.environment).map(([key, value]) => `- ${md(key)}: ${md(value)}`),
    "",
    "## Configuration",
    "",
    markdownFence(JSON.stringify(data.configuration, null, 2), "json"),
  ];
  return `${out.join("\n")}\n`;
}
