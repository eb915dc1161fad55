// The front as plain text: columns if they fit the width, else one block per layout. No colours or control
// characters, because pipes and logs get the same text.

import { runsIn } from "../candidates/runs-in.ts";
import { counted } from "../candidates/words.ts";
import { parseMetricName } from "../profilers/metrics/name.ts";
import { formatError, formatParameters, formatValue } from "./format.ts";
import {
  compressPattern,
  countStates,
  frontPoints,
  proposedCount,
  publishedOffFront,
  reachText,
} from "./front.ts";
import { mixLines } from "./identity-text.ts";
import { emulatedDevices, isEmulated, shortLabel } from "./metrics.ts";
import type { FrontData, ReportObjective, ReportProxy, ReportTrial } from "./report-model.ts";
import { wrapWords } from "./terminal.ts";
import { plain } from "./text.ts";

const arrow = (objective: ReportObjective): string => (objective.direction === "min" ? "v" : "^");

function shownValue(trial: ReportTrial, name: string): string {
  const metric = trial.metrics[name];
  if (metric === undefined) return "-";
  const error = formatError(metric, parseMetricName(name).device !== null);
  return `${formatValue(metric.value, metric.unit)}${error}${metric.stable ? "" : " ~"}`;
}

/** Returns the chance of being on the front. */
const chanceOf = ({ chance }: ReportTrial): string =>
  chance === undefined ? "-" : `${Math.round(100 * chance)}%`;

/** Names the engines that run the layout: "runs in edgefront, llama.cpp (padded)". */
function enginesText({ layout }: ReportTrial): string {
  const names = runsIn(layout).flatMap(({ runtime, how }) =>
    how === "no" ? [] : how === "exact" ? [runtime] : [`${runtime} (padded)`],
  );
  return `runs in ${names.join(", ")}`;
}

interface Row {
  readonly label: string;
  readonly trial: ReportTrial;
}
const nameOf = (trial: ReportTrial): string =>
  plain(trial.published === null ? trial.id : `* ${trial.published}`);

function columns(rows: readonly Row[], objectives: readonly ReportObjective[], marks: readonly string[]) {
  const withChance = rows.some(({ trial }) => trial.chance !== undefined);
  const cells = [
    [
      "",
      "layout",
      "params",
      ...(withChance ? ["chance"] : []),
      ...objectives.map((o) => `${plain(shortLabel(o.name)[0])} ${arrow(o)}`),
    ],
    [
      "",
      "",
      "",
      ...(withChance ? [""] : []),
      ...objectives.map((o, index) => `${plain(shortLabel(o.name)[1])}${marks[index]}`),
    ],
    ...rows.map(({ label, trial }) => [
      label,
      nameOf(trial),
      formatParameters(trial.parameters),
      ...(withChance ? [chanceOf(trial)] : []),
      ...objectives.map((o) => shownValue(trial, o.name)),
    ]),
  ];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
  return { lines, width: Math.max(...lines.map((line) => line.length)) };
}

function blocks(
  rows: readonly Row[],
  objectives: readonly ReportObjective[],
  marks: readonly string[],
  width: number,
) {
  const names = objectives.map((o, index) =>
    plain(`${shortLabel(o.name).join(" ").trim()} ${arrow(o)}${marks[index]}`),
  );
  const column = Math.min(Math.max(0, ...names.map((name) => name.length)), width - 20);
  return rows.map(({ label, trial }) => [
    `${label.padEnd(4)}${nameOf(trial)}  ${formatParameters(trial.parameters)}${
      trial.chance === undefined ? "" : `  chance ${chanceOf(trial)}`
    }`.slice(0, width),
    ...objectives.map((o, index) => {
      const name = names[index]!.slice(0, column).padEnd(column);
      return `    ${name}  ${shownValue(trial, o.name)}`.slice(0, width);
    }),
  ]);
}

const tauOf = ({ tau, low, high }: ReportProxy): string =>
  tau === null
    ? "no order"
    : `tau ${tau.toFixed(2)}, 95% ${low?.toFixed(2) ?? "-"} to ${high?.toFixed(2) ?? "-"}`;

const weakNote = (proxy: ReportProxy): string =>
  `(weak) ${plain(proxy.metric)} rests on a weak proxy: compared with ${proxy.longer} times longer training of ${counted(proxy.layouts, "layout")}, ${tauOf(proxy)}`;

/** Renders the front of a sweep as text. Lines are at most `width` characters. */
export function renderTable(data: FrontData, options: { readonly width?: number } = {}): string {
  const width = Math.max(40, options.width ?? 80);
  const counts = countStates(data);
  const front = frontPoints(data);
  const others = publishedOffFront(data).map((trial) => ({ label: "-", trial }));
  const emulated = emulatedDevices(data);
  const weak = (data.proxies ?? []).filter((proxy) => proxy.weak);
  const isWeak = (name: string): boolean => weak.some(({ metric }) => metric === name);
  const marks = data.objectives.map(
    ({ name }) => `${isEmulated(name, emulated) ? " (emul.)" : ""}${isWeak(name) ? " (weak)" : ""}`,
  );
  const states = Object.entries(counts).filter(([state, n]) => n > 0 && state !== "complete");
  const summary = [`${counts.complete} complete`, ...states.map(([state, n]) => `${n} ${state}`)].join(", ");
  const out = wrapWords(
    `Sweep ${plain(data.sweep)}: ${front.length} on the front of ${proposedCount(data)} proposed (${summary}).`,
    width,
    "",
  );
  const rows = [...front, ...others];
  if (rows.length === 0) return `${[...out, "No complete trial yet, so no front."].join("\n")}\n`;

  const table = columns(rows, data.objectives, marks);
  const asTable = table.width <= width;
  const stacked = asTable ? [] : blocks(rows, data.objectives, marks, width);
  out.push("");
  if (asTable) out.push(...table.lines.slice(0, 2).filter((line) => line.trim() !== ""));
  for (const [index, { trial }] of rows.entries()) {
    out.push(...(asTable ? [table.lines[index + 2]!] : stacked[index]!));
    out.push(...wrapWords(compressPattern(plain(trial.pattern)), width - 4, "    "));
    out.push(...wrapWords(enginesText(trial), width - 4, "    "));
  }
  const notes = [
    "^ more is better, v less is better",
    ...(rows.some(({ trial }) => trial.published !== null) ? ["* published layout"] : []),
    ...(rows.some(({ trial }) => trial.chance !== undefined)
      ? [
          "chance: probability that the layout truly is on the front; ±: half of the 95% interval for another session or seed",
        ]
      : []),
    ...(others.length > 0 ? ["- measured, not on the front (dominated or over budget)"] : []),
    ...(data.objectives.some(({ name }) => rows.some(({ trial }) => trial.metrics[name]?.stable === false))
      ? ["~ unstable: do not rely on this value"]
      : []),
    ...data.objectives.flatMap(({ name }) => weak.filter(({ metric }) => metric === name).map(weakNote)),
    ...(data.notices ?? []).map((text) => `notice: ${plain(text)}`),
    ...(marks.some((mark) => mark.includes("(emul.)"))
      ? ["(emul.) under an emulator: says nothing about hardware speed"]
      : []),
  ];
  const reach = reachText(data);
  out.push(
    "",
    ...wrapWords(notes.join("; "), width, ""),
    ...(reach === null ? [] : wrapWords(reach, width, "")),
  );
  for (const line of mixLines(data.identity)) out.push(...wrapWords(`MIXED: ${plain(line)}`, width, "  "));
  return `${out.join("\n")}\n`;
}
