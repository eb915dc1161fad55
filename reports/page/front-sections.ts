// The layouts of the front: each as a picture with its objectives, and all their values as a table. Readable
// without any script.
import { formatPattern } from "../../candidates/notation.ts";
import { ffnWidthOf } from "../../candidates/ops/operator-registry.ts";
import { counted } from "../../candidates/words.ts";
import { parseMetricName } from "../../profilers/metrics/name.ts";
import { formatParameters, formatRange } from "../format.ts";
import { frontPoints, publishedOffFront } from "../front.ts";
import { emulatedDevices, isEmulated, metricLabel, sampleRange, shortLabel } from "../metrics.ts";
import type { ReportData, ReportMetric, ReportTrial } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import { emulatedTag, numberButton, scroller, section } from "./parts.ts";
import { layerStrip, stripLegend } from "./strip.ts";

/**
 * Eight hexadecimal digits identify a layout within a sweep. The whole id is in the title and in every
 * export.
 */
const nameOf = (trial: ReportTrial): Html =>
  trial.published === null
    ? html`<span class="id" title="${trial.id}">${trial.id.slice(0, 11)}</span>`
    : html`<strong title="${trial.id}">★ ${trial.published}</strong>${trial.state === "infeasible" && html` <span class="tag">over budget</span>`}`;

/** Returns the section with the front's layouts as pictures. */
export function layoutsSection(data: ReportData): Html {
  const rows = [...frontPoints(data), ...publishedOffFront(data).map((trial) => ({ label: "–", trial }))];
  const widest = Math.max(
    1,
    ...rows.flatMap(({ trial }) => trial.layout.layers.map(({ ffn }) => ffnWidthOf(ffn))),
  );
  return section(
    "layouts",
    "Layouts on the front",
    rows.some((row) => row.label === "–")
      ? "Published layouts that are not on the front come last, marked –."
      : "",
    html`${stripLegend}
<ol class="layouts">${rows.map(
      ({ label, trial }) =>
        html`<li data-trial="${trial.number}"><div class="who"><b class="point">${label}</b> <span>${nameOf(trial)} <span class="soft">${formatParameters(trial.parameters)}</span></span></div><div class="strip-box">${layerStrip(trial.layout, widest, `${counted(trial.layout.layers.length, "layer")}: ${formatPattern(trial.layout)}`)}</div><div class="brief">${data.objectives.map(({ name }) => brief(name, trial.metrics[name]))}</div></li>`,
    )}</ol>`,
  );
}

/** An objective's value with its short name, beside the picture. */
function brief(name: string, metric: ReportMetric | undefined): Html {
  const [short, place] = shortLabel(name);
  return html`<span><small>${short} ${place}</small>${metric === undefined ? "–" : numberButton(name, metric)}</span>`;
}

function metricCell(metric: ReportMetric | undefined, name: string, type: string): Html {
  if (metric === undefined) return html`<td class="num soft${type}">–</td>`;
  const range = sampleRange(metric);
  return html`<td class="num${type}">${numberButton(name, metric)}${!metric.stable && html` <span class="tag warn">unstable</span>`}${range && html`<small>${formatRange(range.low, range.high, metric.unit)} · n ${range.n}</small>`}</td>`;
}

/** Returns the table of the front: objectives first, then every other metric of its points. */
export function tableSection(data: ReportData): Html {
  const rows = [...frontPoints(data), ...publishedOffFront(data).map((trial) => ({ label: "–", trial }))];
  const emulated = emulatedDevices(data);
  const objectives = data.objectives.map(({ name }) => name);
  const others = [...new Set(rows.flatMap(({ trial }) => Object.keys(trial.metrics)))]
    .filter((name) => !objectives.includes(name) && name !== "parameters")
    .sort();
  const type = (name: string): string => (objectives.includes(name) ? " objective" : " extra");
  const head = (name: string): Html => {
    const { device } = parseMetricName(name);
    const direction = data.objectives.find((o) => o.name === name)?.direction;
    return html`<th scope="col" class="num${type(name)}">${metricLabel(name, { device: false })}${direction && html`\u00a0<span title="${direction === "min" ? "less is better" : "more is better"}">${direction === "min" ? "↓" : "↑"}</span>`}<small>${device ?? ""}${isEmulated(name, emulated) && emulatedTag}</small></th>`;
  };
  const names = [...objectives, ...others];
  return section(
    "table",
    "Measured values",
    "Value, then the smallest and largest raw sample and their number. Objectives come first (↓ less, ↑ more is better). Choose a value for its samples, binary and device state. Printed, the objectives only.",
    scroller(
      "Measured values of the front",
      html`<table class="wide"><thead><tr><th scope="col">Layout</th>${names.map(head)}</tr></thead>
<tbody>${rows.map(({ label, trial }) => html`<tr data-trial="${trial.number}"><th scope="row"><b class="point">${label}</b> ${nameOf(trial)}</th>${names.map((name) => metricCell(trial.metrics[name], name, type(name)))}</tr>`)}</tbody></table>`,
    ),
  );
}
