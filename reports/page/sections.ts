// The page's sections as static HTML, readable and printable without script. Plots are empty figures of fixed
// height that the script fills, so that nothing moves while the page loads.

import { counted } from "../../candidates/words.ts";
import { findingsBody } from "../findings-text.ts";
import { formatValue } from "../format.ts";
import {
  countStates,
  frontPoints,
  groupByReason,
  proposedCount,
  reachText,
  readableReason,
} from "../front.ts";
import { mixLines } from "../identity-text.ts";
import { budgetText } from "../md.ts";
import { emulatedDevices, isEmulated, metricLabel } from "../metrics.ts";
import type { ReportData, ReportHealth, ReportProxy } from "../report-model.ts";
import { type Html, html, preformatted } from "../text.ts";
import { emulatedTag, scroller, section } from "./parts.ts";

/** Returns the notice for a proxy that an audit found weak. */
const weakNotice = ({ metric, tau, low, high, layouts, longer }: ReportProxy): Html =>
  html`<p class="notice" role="note"><strong>Weak proxy:</strong> ${metricLabel(metric)} was compared with ${longer} times longer training of ${counted(layouts, "layout")}: ${tau === null ? "no common order" : `tau ${tau.toFixed(2)} (95% ${low?.toFixed(2) ?? "–"} to ${high?.toFixed(2) ?? "–"})`}. Do not decide by this score alone.</p>`;

/** Returns the head of the page: the sweep and its counts. */
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
${emulated.size > 0 && html`<p class="notice" role="note"><strong>Emulated:</strong> ${[...emulated].join(", ")}. Times under an emulator say nothing about hardware; they are marked wherever they appear.</p>`}
${mixLines(data.identity).map((line) => html`<p class="notice" role="note"><strong>Mixed:</strong> ${line}.</p>`)}
${reachText(data) && html`<p class="soft">${reachText(data)}</p>`}${(data.proxies ?? []).filter(({ weak }) => weak).map(weakNotice)}
${(data.notices ?? []).map((text) => html`<p class="notice" role="note"><strong>Notice:</strong> ${text}.</p>`)}
${data.totals && html`<p class="notice" role="note">${data.totals.trials.toLocaleString("en-US")} layouts are too many for one page. It shows ${data.trials.length.toLocaleString("en-US")}: all layouts on the front, all published ones, and others spread evenly. Counts, front and hypervolume are those of the whole sweep. The csv, json and parquet reports hold every layout.</p>`}
</header>`;
}

/** Returns the decision section. The script fills it; without script the tables have the same values. */
export function decisionSection(data: ReportData): Html {
  // Reserves room for the script's content, so that nothing below moves.
  const bounds = new Set([
    ...data.objectives.map(({ name }) => name),
    ...data.budgets.map(({ metric }) => metric),
  ]).size;
  return section(
    "decide",
    "Decide",
    "Set bounds on the metrics. The sheet then names a layout, its runner-up, and the differences between them.",
    html`<div id="sheet" class="sheet interactive" style="--bounds: ${bounds}" hidden>
<div><div id="bounds"></div>
<div class="rule"><label for="rule">Then choose</label> <select id="rule"></select></div>
<div class="rule"><select id="bound-more" aria-label="Bound another metric"></select> <button type="button" id="reset">Clear bounds</button></div>
<p class="within soft" id="within">Layouts on the front. Those outside the bounds are greyed out, here and in every view.</p><div class="chips" id="chips" role="group" aria-labelledby="within"></div></div>
<div id="answer" class="answer" role="status" aria-live="polite"></div>
</div>
<div class="plot parallel-plot interactive" id="parallel" role="group" aria-label="Parallel coordinates: one line a layout across all objectives and budgets, better is higher"></div>`,
  );
}

/** The dialog for details of one trial. It is empty until a click. */
export const detailsDialog: Html = html`<dialog id="details" aria-labelledby="details-title"></dialog>`;

/** Returns the section of the findings; null without findings. */
export function findingsSection(data: ReportData): Html | null {
  const body = findingsBody(data.findings ?? []);
  return body === null
    ? null
    : section("findings", "Findings", "Conclusions of the sweep beyond its front.", body);
}

/** Returns the section of all trials. The page's script fills it from its server, one page at a time. */
export const trialsSection = (): Html =>
  section(
    "trials",
    "All trials",
    "Every layout of the sweep. Click a number for its measurements.",
    html`<div class="controls"><label>State <select id="trials-state"><option value="">any</option><option value="complete">complete</option><option value="infeasible">over budget</option><option value="screened">screened out</option><option value="stopped">stopped early</option><option value="failed">failed</option><option value="lost">lost</option><option value="proposed">not finished</option></select></label>
<label>Order <select id="trials-sort"><option value="">first to last</option></select></label>
<label>Find <input id="trials-find" type="search" placeholder="id or notation" autocomplete="off" spellcheck="false"></label>
<span class="pager"><button type="button" id="trials-earlier" disabled>Earlier</button> <button type="button" id="trials-later" disabled>Later</button> <output id="trials-count"></output></span></div>
${scroller("All trials", html`<table id="every-trial"></table>`)}`,
  );

/** Largest number of listed trials for one reason; exports have all of them. */
const LISTED = 50;

/** Returns the section of trials without a result; null where there are none. */
export function outcomesSection(data: ReportData): Html | null {
  const groups = groupByReason(data);
  if (groups.length === 0) return null;
  const most = Math.max(...groups.map(({ count }) => count));
  return section(
    "outcomes",
    "Without a result",
    "Layouts over a budget, screened out before measuring, stopped early, failed, or lost with their device. They are stored, but never on the front.",
    html`<div class="groups">${groups.map(
      ({ state, reason, overBudget, count, trials }) =>
        html`<details><summary><span class="count" style="--share: ${(count / most).toFixed(3)}">${count}</span> <span class="tag ${state}">${state === "infeasible" ? "over budget" : state}</span> <span class="reason">${readableReason({ reason, overBudget }, data)}</span></summary><ul>${trials
          .slice(0, LISTED)
          .map(
            (trial) =>
              html`<li><span class="soft">#${trial.number}</span> <code>${trial.pattern}</code>${trial.reason !== reason && html` <span class="soft">${readableReason(trial, data)}</span>`}</li>`,
          )}${count > Math.min(trials.length, LISTED) && html`<li class="soft">and ${count - Math.min(trials.length, LISTED)} more, in the csv and json exports</li>`}</ul></details>`,
    )}</div>`,
  );
}

/** Returns the section of the budgets; null without budgets. */
export function budgetsSection(data: ReportData): Html | null {
  if (data.budgets.length === 0) return null;
  const emulated = emulatedDevices(data);
  return section(
    "budgets",
    "Budgets",
    "A layout with a value outside a bound is over budget.",
    html`<table><thead><tr><th scope="col">Metric</th><th scope="col">Bound</th></tr></thead><tbody>${data.budgets.map((budget) => html`<tr><th scope="row">${metricLabel(budget.metric)}${isEmulated(budget.metric, emulated) && emulatedTag}</th><td>${budgetText(budget, data)}</td></tr>`)}</tbody></table>`,
  );
}

/** Returns `cooling 52 °C above its limit`, then queue, temperature and faults. */
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

/** Returns the section of the devices. */
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

/** Returns the section on the provenance of the numbers. */
export const provenanceSection = (data: ReportData): Html =>
  section(
    "provenance",
    "Configuration and environment",
    "",
    html`<div class="columns"><details open><summary>Configuration of this run</summary><pre tabindex="0">${preformatted(JSON.stringify(data.configuration, null, 2) ?? "null")}</pre></details>
<dl class="pairs">${Object.entries(data.environment).map(([key, value]) => html`<div><dt>${key}</dt><dd>${value}</dd></div>`)}</dl></div>`,
  );
