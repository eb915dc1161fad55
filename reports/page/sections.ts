// The page's sections as static HTML: readable without any script, printed as they are. Plots are empty figures of fixed
// height that the script fills, so that nothing moves while the page loads.

import { formatPattern } from "../../candidates/notation.ts";
import { counted } from "../../candidates/words.ts";
import { findingsBody } from "../findings-text.ts";
import { formatParameters, formatRange, formatValue } from "../format.ts";
import {
  countStates,
  frontPoints,
  groupByReason,
  proposedCount,
  publishedOffFront,
  reachText,
  readableReason,
} from "../front.ts";
import { mixLines } from "../identity-text.ts";
import { budgetText } from "../md.ts";
import {
  emulatedDevices,
  isEmulated,
  metricLabel,
  metricNames,
  parseMetricName,
  sampleRange,
  shortLabel,
} from "../metrics.ts";
import type { ReportData, ReportHealth, ReportMetric, ReportProxy, ReportTrial } from "../model.ts";
import { type Html, html, preformatted } from "../text.ts";
import { emulatedTag, numberButton, scroller, section } from "./parts.ts";
import { CURVES } from "./sizes.ts";
import { layerStrip, stripLegend } from "./strip.ts";

/** An audit found that a proxy does not order layouts as longer training does. */
const weakNotice = ({ metric, tau, low, high, layouts, longer }: ReportProxy): Html =>
  html`<p class="notice" role="note"><strong>Weak proxy:</strong> ${metricLabel(metric)} orders ${counted(layouts, "layout")} ${tau === null ? "in no way" : `with tau ${tau.toFixed(2)} (95% ${low?.toFixed(2) ?? "–"} to ${high?.toFixed(2) ?? "–"})`} as ${longer} times longer training does. Do not decide by it alone.</p>`;

export function header(data: ReportData): Html {
  const counts = countStates(data);
  const front = frontPoints(data);
  const emulated = emulatedDevices(data);
  const facts: readonly (readonly [string | number, string])[] = [
    [front.length, front.length === 1 ? "layout on the front" : "layouts on the front"],
    [counts.complete, "complete"],
    [counts.infeasible, "over budget"],
    ...(counts.screened > 0 ? [[counts.screened, "screened out"] as const] : []),
    ...(counts.stopped > 0 ? [[counts.stopped, "stopped early"] as const] : []),
    [counts.failed + counts.lost, "failed or lost"],
    [proposedCount(data), "proposed"],
    [data.devices.length, data.devices.length === 1 ? "device" : "devices"],
  ];
  return html`<header>
<p class="eyebrow">edgefront sweep</p>
<h1>${data.sweep}</h1>
<p class="meta"><time>${data.createdAt.replace("T", " ").replace(/\.\d+Z$/, " UTC")}</time> · edgefront ${data.edgefrontVersion}${data.gitCommit === null ? null : html` · commit ${data.gitCommit}`}</p>
<dl class="facts">${facts.map(([value, name]) => html`<div><dd>${value}</dd><dt>${name}</dt></div>`)}</dl>
${emulated.size > 0 && html`<p class="notice" role="note"><strong>Emulated:</strong> ${[...emulated].join(", ")}. Times measured under an emulator say nothing about hardware; they are marked wherever they appear.</p>`}
${mixLines(data.identity).map((line) => html`<p class="notice" role="note"><strong>Mixed:</strong> ${line}.</p>`)}
${reachText(data) && html`<p class="soft">${reachText(data)}</p>`}${(data.proxies ?? []).filter(({ weak }) => weak).map(weakNotice)}
${(data.notices ?? []).map((text) => html`<p class="notice" role="note"><strong>Notice:</strong> ${text}.</p>`)}
${data.totals && html`<p class="notice" role="note">${data.totals.trials.toLocaleString("en-US")} layouts are too many for one page: ${data.trials.length.toLocaleString("en-US")} of them are shown, among them every one on the front or published; the others are spread evenly. Counts, front and hypervolume are those of the whole sweep; the csv, json and parquet reports hold every layout.</p>`}
</header>`;
}

/** Filled by the page's script: without it there is nothing to decide with, and the tables say the rest. */
export function decisionSection(data: ReportData): Html {
  // Room for what the script will fill in, so that nothing below moves.
  const bounds = new Set([
    ...data.objectives.map(({ name }) => name),
    ...data.budgets.map(({ metric }) => metric),
  ]).size;
  return section(
    "decide",
    "Decide",
    "Set what the device must do; the sheet names the layout, the runner-up, and what lies between them.",
    html`<div id="sheet" class="sheet interactive" style="--bounds: ${bounds}" hidden>
<div><div id="bounds"></div>
<div class="rule"><label for="rule">Then choose</label> <select id="rule"></select></div>
<div class="rule"><select id="bound-more" aria-label="Bound another metric"></select> <button type="button" id="reset">Clear bounds</button></div>
<p class="within soft" id="within">The front; layouts outside the bounds are greyed out here and in every view.</p><div class="chips" id="chips" role="group" aria-labelledby="within"></div></div>
<div id="answer" class="answer" role="status" aria-live="polite"></div>
</div>
<div class="plot parallel-plot interactive" id="parallel" role="group" aria-label="Parallel coordinates: one line a layout across all objectives and budgets, better is higher"></div>`,
  );
}

/** Where details of one trial are shown; empty until something is clicked. */
export const detailsDialog: Html = html`<dialog id="details" aria-labelledby="details-title"></dialog>`;

export function scatterSection(data: ReportData): Html {
  const devices = data.devices.length > 0 ? data.devices : [{ name: "", emulated: false }];
  return section(
    "pareto",
    "Trade-offs",
    "Each point is a layout. Bars span the smallest and largest raw sample; dashed lines are budgets. Drag over points to select them everywhere; click one for its raw samples.",
    html`<div class="controls" id="axes" hidden>
<label>Across <select id="axis-x"></select></label>
<label>Up <select id="axis-y"></select></label>
</div>
<ul class="legend">
<li><svg class="mark front" width="13" height="13" viewBox="-6 -6 12 12"><circle r="4.5"/></svg>on the front</li>
<li><svg class="mark other" width="13" height="13" viewBox="-6 -6 12 12"><circle r="4"/></svg>dominated</li>
<li><svg class="mark out" width="13" height="13" viewBox="-6 -6 12 12"><path d="M-4-4 4 4M-4 4 4-4"/></svg>over budget</li>
<li><svg class="mark out" width="13" height="13" viewBox="-6 -6 12 12"><path d="M-5-4 5-4 0 5Z"/></svg>stopped early, failed or lost</li>
<li><svg class="mark star" width="13" height="13" viewBox="-6 -6 12 12"><path d="M0-6 1.5-1.9 5.7-1.9 2.3.7 3.5 4.9 0 2.4-3.5 4.9-2.3.7-5.7-1.9-1.5-1.9Z"/></svg>published layout</li>
</ul>
<div class="panels">${devices.map(
      (device, index) =>
        html`<figure class="panel"><figcaption>${device.name}${device.emulated && emulatedTag}</figcaption><div class="plot scatter" data-device="${index}" role="group" aria-label="Scatter plot of all layouts measured on ${device.name}; the same values are in the table of the front"></div></figure>`,
    )}</div>`,
  );
}

/** Rows of the front's history that are drawn. */
export const HISTORY_ROWS = 40;

/** Where metrics were measured at several contexts. */
export function contextsSection(data: ReportData): Html | null {
  const contexts = new Map<string, Set<number>>();
  for (const name of metricNames(data)) {
    const { base, context, batch } = parseMetricName(name);
    if (context !== null && batch === 1) contexts.set(base, (contexts.get(base) ?? new Set()).add(context));
  }
  const several = [...contexts].filter(([, seen]) => seen.size > 1).map(([base]) => base);
  if (several.length === 0) return null;
  const curves = CURVES.filter((base) => several.includes(base));
  const others = several.length > curves.length;
  const devices = data.devices.length > 0 ? data.devices : [{ name: "", emulated: false }];
  const panels = (base: string | null): Html =>
    html`<div class="panels">${devices.map(
      (device, index) =>
        html`<figure class="panel"><figcaption>${device.name}${device.emulated && emulatedTag}</figcaption><div class="plot contexts" data-device="${index}"${base !== null && html` data-base="${base}"`} role="group" aria-label="Lines: ${base === null ? "the chosen metric" : metricLabel(base)} over context length on ${device.name}"></div></figure>`,
    )}</div>`;
  return section(
    "contexts",
    "Context length",
    "The front's layouts as the prompt grows; published ones dashed, the choice bold.",
    html`<div class="${devices.length === 1 ? "curves" : ""}">${curves.map((base) => html`<div><h3>${metricLabel(base)}</h3>${panels(base)}</div>`)}${
      others &&
      html`<div><div class="controls other" id="context-controls" hidden><label>Other metrics <select id="context-metric"></select></label></div>${panels(null)}</div>`
    }</div>`,
  );
}

export function timelineSection(data: ReportData): Html | null {
  const lanes = new Set((data.timeline ?? []).map(({ lane }) => lane)).size;
  if (lanes === 0) return null;
  return section(
    "timeline",
    "Who worked when",
    "Jobs on devices and in training since the sweep began. A machine is never measured while it trains.",
    html`<ul class="legend"><li><span class="key measure"></span>measuring</li><li><span class="key train"></span>training</li><li><span class="key broken"></span>ended without a result</li></ul>
<div class="plot drawn" id="timeline-plot" style="height: ${lanes * 30 + 28}px" role="group" aria-label="Timeline: jobs of each device and of training"></div>`,
  );
}

export function findingsSection(data: ReportData): Html | null {
  const body = findingsBody(data.findings ?? []);
  return body === null
    ? null
    : section("findings", "Findings", "What the sweep says beyond its front.", body);
}

export const hypervolumeSection = (data: ReportData): Html =>
  section(
    "progress",
    "Progress of the search",
    data.referencePoint === null
      ? "The volume that the front dominates, after each finished trial."
      : `The volume that the front dominates, after each finished trial. Its reference is the nadir of the front and a tenth of the range beyond (${data.referencePoint.map((value, index) => formatValue(value, data.objectives[index]?.unit ?? "")).join(", ")}); a front that moves it has the whole line worked out anew.`,
    html`<div class="plot short" id="hypervolume" role="group" aria-label="Line: hypervolume of the front over trials"></div>${historyFigure(data)}`,
  );

/** Filled by the page's script: a bar for every layout that was ever on the front. */
function historyFigure(data: ReportData): Html | null {
  const count = data.frontSpans?.length ?? 0;
  if (count === 0) return null;
  const rows = Math.min(count, HISTORY_ROWS);
  const shown = count > rows ? `, ${rows} of ${count} shown` : "";
  return html`<h3>Layouts that were on the front, from the trial that put them there to the one that dominated them${shown}</h3>
<div class="plot drawn" id="evolution" data-rows="${rows}" style="height: ${rows * 17 + 28}px" role="group" aria-label="Bars: when each layout joined and left the front"></div>`;
}

/** Eight hexadecimal digits tell a sweep's layouts apart; the whole id is in the title and in every export. */
const nameOf = (trial: ReportTrial): Html =>
  trial.published === null
    ? html`<span class="id" title="${trial.id}">${trial.id.slice(0, 11)}</span>`
    : html`<strong title="${trial.id}">★ ${trial.published}</strong>${trial.state === "infeasible" && html` <span class="tag">over budget</span>`}`;

export function layoutsSection(data: ReportData): Html {
  const rows = [...frontPoints(data), ...publishedOffFront(data).map((trial) => ({ label: "–", trial }))];
  const widest = Math.max(
    1,
    ...rows.flatMap(({ trial }) => trial.layout.layers.map((layer) => layer.ffn.width)),
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

/** An objective's value under its short name, beside the picture. */
function brief(name: string, metric: ReportMetric | undefined): Html {
  const [short, place] = shortLabel(name);
  return html`<span><small>${short} ${place}</small>${metric === undefined ? "–" : numberButton(name, metric)}</span>`;
}

function metricCell(metric: ReportMetric | undefined, name: string, type: string): Html {
  if (metric === undefined) return html`<td class="num soft${type}">–</td>`;
  const range = sampleRange(metric);
  return html`<td class="num${type}">${numberButton(name, metric)}${!metric.stable && html` <span class="tag warn">unstable</span>`}${range && html`<small>${formatRange(range.low, range.high, metric.unit)} · n ${range.n}</small>`}</td>`;
}

/** Objectives first, then every other metric that the front's points have. */
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

/** Filled by the page's script from its server, one page at a time. */
export const trialsSection = (): Html =>
  section(
    "trials",
    "All trials",
    "Every layout of the sweep, however many. Choose a number for its measurements.",
    html`<div class="controls"><label>State <select id="trials-state"><option value="">any</option><option value="complete">complete</option><option value="infeasible">over budget</option><option value="screened">screened out</option><option value="stopped">stopped early</option><option value="failed">failed</option><option value="lost">lost</option><option value="proposed">not finished</option></select></label>
<label>Order <select id="trials-sort"><option value="">first to last</option></select></label>
<label>Find <input id="trials-find" type="search" placeholder="id or notation" autocomplete="off" spellcheck="false"></label>
<span class="pager"><button type="button" id="trials-earlier" disabled>Earlier</button> <button type="button" id="trials-later" disabled>Later</button> <output id="trials-count"></output></span></div>
${scroller("All trials", html`<table id="every-trial"></table>`)}`,
  );

/** Longest list of trials shown for one reason; exports carry them all. */
const LISTED = 50;

export function outcomesSection(data: ReportData): Html | null {
  const groups = groupByReason(data);
  if (groups.length === 0) return null;
  const most = Math.max(...groups.map(({ count }) => count));
  return section(
    "outcomes",
    "Without a result",
    "Layouts over a budget, screened out before measuring, stopped early, failed, or lost with their device. They are kept, and never on the front.",
    html`<div class="groups">${groups.map(
      ({ state, reason, count, trials }) =>
        html`<details><summary><span class="count" style="--share: ${(count / most).toFixed(3)}">${count}</span> <span class="tag ${state}">${state === "infeasible" ? "over budget" : state}</span> <span class="reason">${readableReason(reason, data)}</span></summary><ul>${trials
          .slice(0, LISTED)
          .map(
            (trial) =>
              html`<li><span class="soft">#${trial.number}</span> <code>${trial.pattern}</code>${trial.reason !== reason && html` <span class="soft">${readableReason(trial.reason ?? "", data)}</span>`}</li>`,
          )}${count > Math.min(trials.length, LISTED) && html`<li class="soft">and ${count - Math.min(trials.length, LISTED)} more, in the csv and json exports</li>`}</ul></details>`,
    )}</div>`,
  );
}

export function budgetsSection(data: ReportData): Html | null {
  if (data.budgets.length === 0) return null;
  const emulated = emulatedDevices(data);
  return section(
    "budgets",
    "Budgets",
    "A layout whose measured value is outside is over budget, whatever its other values.",
    html`<table><thead><tr><th scope="col">Metric</th><th scope="col">Bound</th></tr></thead><tbody>${data.budgets.map((budget) => html`<tr><th scope="row">${metricLabel(budget.metric)}${isEmulated(budget.metric, emulated) && emulatedTag}</th><td>${budgetText(budget, data)}</td></tr>`)}</tbody></table>`,
  );
}

/** `cooling: 52 °C above its limit`, then what waits, what failed, how warm it is. */
function healthCell({ state, reason, queued, recentFaults, lastFault, temperatureC }: ReportHealth): Html {
  const bad = state === "lost" || state === "quarantined";
  const more = [
    ...(queued > 0 ? [`${queued} waiting`] : []),
    ...(temperatureC === null ? [] : [`${temperatureC.toFixed(0)} °C`]),
    ...(recentFaults > 0 ? [`${recentFaults} ${recentFaults === 1 ? "fault" : "faults"} in 24 h`] : []),
    ...(lastFault === null ? [] : [`last fault ${lastFault}`]),
  ];
  return html`<span class="tag${bad && " failed"}">${state}</span>${reason !== null && html` ${reason}`}${more.length > 0 && html`<span class="soft health">${more.join(", ")}</span>`}`;
}

export function devicesSection(data: ReportData): Html {
  const health = data.devices.some((device) => device.health !== undefined);
  return section(
    "devices",
    "Devices",
    "",
    scroller(
      "Devices",
      html`<table><thead><tr><th scope="col">Device</th><th scope="col">CPU</th><th scope="col">Kernels</th><th scope="col" class="num">Threads</th><th scope="col" class="num">Memory</th><th scope="col">Transport</th><th scope="col">Agent</th>${health && html`<th scope="col">Now</th>`}</tr></thead><tbody>${data.devices.map((d) => html`<tr><th scope="row">${d.name}${d.emulated && emulatedTag}</th><td>${d.cpu}<small>${d.arch}</small></td><td>${d.isa}</td><td class="num">${d.threads}</td><td class="num">${formatValue(d.memoryBytes, "B")}</td><td>${d.transport}</td><td><code>${d.agentSha256.slice(0, 12)}</code></td>${health && html`<td>${d.health && healthCell(d.health)}</td>`}</tr>`)}</tbody></table>`,
    ),
  );
}

export const provenanceSection = (data: ReportData): Html =>
  section(
    "provenance",
    "Configuration and environment",
    "",
    html`<div class="columns"><details open><summary>Configuration as run</summary><pre tabindex="0">${preformatted(JSON.stringify(data.configuration, null, 2) ?? "null")}</pre></details>
<dl class="pairs">${Object.entries(data.environment).map(([key, value]) => html`<div><dt>${key}</dt><dd>${value}</dd></div>`)}</dl></div>`,
  );
