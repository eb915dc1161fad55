// Sections about the meaning of the measurements: importance of traits, agreement of devices, lineage of the
// front. They are tables, so that they are readable in print and without any script.
import { counted } from "../../candidates/words.ts";
import { type Agreement, deviceAgreement } from "../agreement.ts";
import { editText, layerEdits } from "../edits.ts";
import { frontPoints } from "../front.ts";
import { lineageOf } from "../front-lineage.ts";
import { importanceOf } from "../importance.ts";
import { emulatedDevices, isEmulated, metricLabel, shortLabel } from "../metrics.ts";
import type { ReportData } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import { emulatedTag, numberButton, scroller, section } from "./parts.ts";
import { LINEAGE_FOOT, LINEAGE_ROW } from "./sizes.ts";

/** Returns the objectives and budgeted metrics, each once. */
const decisive = (data: ReportData): string[] => [
  ...new Set([...data.objectives.map(({ name }) => name), ...data.budgets.map(({ metric }) => metric)]),
];

const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** Returns a share as text on a bar of its length, readable without colour. */
const shareCell = (share: number | null): Html =>
  share === null
    ? html`<td class="num soft">–</td>`
    : html`<td class="num share" style="--share: ${share.toFixed(3)}">${percent(share)}</td>`;

/** Returns the section on the importance of traits; null without results. */
export function importanceSection(data: ReportData): Html | null {
  const metrics = decisive(data);
  const { traits, measured } = importanceOf(data, metrics);
  if (traits.length === 0) return null;
  const emulated = emulatedDevices(data);
  return section(
    "importance",
    "Importance",
    "Share of each metric's variance that one trait of the layout explains alone: the main effect of a functional analysis of variance, counted leave-one-out. A trait without influence scores about zero. Correlated traits share the same variance, so a column does not add up to 100%.",
    scroller(
      "Importance of traits",
      html`<table class="wide importance"><thead><tr><th scope="col">Trait</th>${metrics.map((name, m) => html`<th scope="col" class="num">${metricLabel(name)}<small>${counted(measured[m]!, "layout")}${isEmulated(name, emulated) && emulatedTag}</small></th>`)}</tr></thead>
<tbody>${traits.map(({ name, shares }) => html`<tr><th scope="row">${name}</th>${shares.map(shareCell)}</tr>`)}</tbody></table>`,
    ),
  );
}

const TAU_WIDTH = 120;

/** Draws tau from -1 to 1 with its interval; the table has the same figures. */
function tauPicture({ value, low, high }: NonNullable<Agreement["tau"]>): Html {
  const x = (tau: number): string => (4 + ((tau + 1) / 2) * (TAU_WIDTH - 8)).toFixed(1);
  return html`<svg class="tau" viewBox="0 0 ${TAU_WIDTH} 14" width="${TAU_WIDTH}" height="14" aria-hidden="true"><line class="axis" x1="4" x2="${TAU_WIDTH - 4}" y1="7" y2="7"/><line class="zero" x1="${x(0)}" x2="${x(0)}" y1="2" y2="12"/><line class="interval" x1="${x(low)}" x2="${x(high)}" y1="7" y2="7"/><circle cx="${x(value)}" cy="7" r="4"/></svg>`;
}

/** Returns the section on the agreement of devices; null without results. */
export function agreementSection(data: ReportData): Html | null {
  const rows = deviceAgreement(data);
  if (rows.length === 0) return null;
  const emulated = emulatedDevices(data);
  const wanted = new Set(decisive(data).map((metric) => metric.replace(/:[^:]*$/, "")));
  const [first, others] = [
    rows.filter(({ metric }) => wanted.has(metric)),
    rows.filter(({ metric }) => !wanted.has(metric)),
  ];
  const name = (device: string): Html => html`${device}${emulated.has(device) && emulatedTag}`;
  const table = (some: readonly Agreement[]): Html =>
    scroller(
      "Agreement of devices",
      html`<table class="agreement"><thead><tr><th scope="col">Metric</th><th scope="col">Devices</th><th scope="col" colspan="2">Tau, from −1 to 1</th><th scope="col" class="num">95% interval</th><th scope="col" class="num">Layouts</th><th scope="col">Loss if chosen on the other</th></tr></thead><tbody>${some.map(
        ({ label, devices: [a, b], tau, n, regret }) =>
          html`<tr><th scope="row">${label}</th><td>${name(a)}, ${name(b)}</td><td>${tau && tauPicture(tau)}</td><td class="num">${tau === null ? "–" : tau.value.toFixed(2)}</td><td class="num">${tau === null ? "–" : `${tau.low.toFixed(2)} to ${tau.high.toFixed(2)}`}</td><td class="num">${n}</td><td>${(regret[0] * 100).toFixed(1)}% on ${a}, ${(regret[1] * 100).toFixed(1)}% on ${b}</td></tr>`,
      )}</tbody></table>`,
    );
  return section(
    "agreement",
    "Agreement of devices",
    "Rank correlation (Kendall's tau-b, 95% interval) of one metric between two devices, over the layouts measured on both: 1 is the same order, 0 no common order. The last column is the loss on each device if the other device's best layout is chosen.",
    first.length === 0 || others.length === 0
      ? table(rows)
      : html`${table(first)}<details class="more"><summary>${others.length} more, for metrics that are no objective or budget</summary>${table(others)}</details>`,
  );
}

/** Returns the section on the front's lineage; null without a front. */
export function lineageSection(data: ReportData): Html | null {
  const front = frontPoints(data);
  if (front.length === 0) return null;
  const { rows, recorded, omitted } = lineageOf(data);
  return section(
    "lineage",
    "Lineage",
    html`${
      recorded
        ? "The ancestors of each layout on the front, over trials."
        : "The strategy records no parents: a line leads from each layout to the earliest measured layout that differs in one layer."
    }${omitted > 0 && html` ${omitted} more layouts are not drawn.`} Click a point for its measurements.`,
    html`<div class="plot drawn" id="lineage-plot" style="height: ${rows * LINEAGE_ROW + LINEAGE_FOOT}px" role="group" aria-label="Tree: descent of the layouts on the front"></div>
${neighbours(data)}`,
  );
}

/** More edits than this are counted rather than listed. */
const LISTED = 6;

/**
 * Lists, from each layout of the front to the next, the edits between them and the change of each objective.
 */
function neighbours(data: ReportData): Html | null {
  const front = frontPoints(data);
  if (front.length < 2) return null;
  return html`<h3>From each layout of the front to its neighbour</h3>
${scroller(
  "Neighbours on the front",
  html`<table><thead><tr><th scope="col" class="pair">From, to</th><th scope="col">Edits</th>${data.objectives.map(({ name }) => html`<th scope="col" class="num">${shortLabel(name).join(" ")}</th>`)}</tr></thead><tbody>${front
    .slice(1)
    .map(({ label, trial }, index) => {
      const before = front[index]!;
      const edits = layerEdits(before.trial.pattern, trial.pattern);
      const text =
        edits.length === 0
          ? "same mixers, other widths"
          : edits.length > LISTED
            ? `${counted(edits.length, "layer")} differ`
            : edits.map(editText).join("; ");
      return html`<tr><th scope="row" class="pair">${before.label} → ${label}</th><td class="edits">${text}</td>${data.objectives.map(
        ({ name }) => {
          const [a, b] = [before.trial.metrics[name], trial.metrics[name]];
          if (a === undefined || b === undefined) return html`<td class="num soft">–</td>`;
          return html`<td class="num"><span data-trial="${before.trial.number}">${numberButton(name, a)}</span> → <span data-trial="${trial.number}">${numberButton(name, b)}</span></td>`;
        },
      )}</tr>`;
    })}</tbody></table>`,
)}`;
}
