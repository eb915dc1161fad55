// Sections whose figures the page's script draws: trade-offs, context length, timeline of work, progress.
// Plots are empty and of fixed height, so that nothing moves while the page loads.
import { parseMetricName } from "../../profilers/metrics/name.ts";
import { formatValue } from "../format.ts";
import { metricLabel, metricNames } from "../metrics.ts";
import type { ReportData } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import { emulatedTag, section } from "./parts.ts";
import { CURVES } from "./sizes.ts";

/** Returns the section of the trade-offs. */
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

/** Number of rows of the front's history that are drawn. */
const HISTORY_ROWS = 40;

/** Returns the section of metrics over contexts; null where no metric was measured at several contexts. */
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

/** Returns the section of the timeline; null where none was stored. */
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

/** Returns the section of the hypervolume and the front's history. */
export const hypervolumeSection = (data: ReportData): Html =>
  section(
    "progress",
    "Progress of the search",
    data.referencePoint === null
      ? "The volume that the front dominates, after each finished trial."
      : `The volume that the front dominates, after each finished trial. Its reference is the nadir of the front and a tenth of the range beyond (${data.referencePoint.map((value, index) => formatValue(value, data.objectives[index]?.unit ?? "")).join(", ")}). If the front moves this reference, the whole line is computed again.`,
    html`<div class="plot short" id="hypervolume" role="group" aria-label="Line: hypervolume of the front over trials"></div>${historyFigure(data)}`,
  );

/** A figure that the page's script fills: a bar for every layout that was ever on the front. */
function historyFigure(data: ReportData): Html | null {
  const count = data.frontSpans?.length ?? 0;
  if (count === 0) return null;
  const rows = Math.min(count, HISTORY_ROWS);
  const shown = count > rows ? `, ${rows} of ${count} shown` : "";
  return html`<h3>Layouts that were on the front, from the trial that put them there to the one that dominated them${shown}</h3>
<div class="plot drawn" id="evolution" data-rows="${rows}" style="height: ${rows * 17 + 28}px" role="group" aria-label="Bars: when each layout joined and left the front"></div>`;
}
