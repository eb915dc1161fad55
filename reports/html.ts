// The report as one HTML file that needs nothing else: no network, no server. Sections are static HTML, data is inert JSON,
// plotly.js travels compressed and is unpacked by the page. The content security policy names the page's scripts by hash and
// allows nothing from outside; styles are 'unsafe-inline' because plotly.js sets its own.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { clientBundle } from "./assets.ts";
import type { ReportData } from "./model.ts";
import * as analysis from "./page/analysis.ts";
import * as sections from "./page/sections.ts";
import { type View, viewOf } from "./page/view.ts";
import { type Html, html, inertJson, trusted } from "./text.ts";

export interface HtmlOptions {
  /** Text of plotly.js-dist (`plotlySource()` of assets.ts reads it). */
  readonly plotlySource: string;
  /** The page's own script and style; the bundle of reports/client/ unless said. */
  readonly client?: { readonly script: string; readonly style: string };
  /** Makes the page follow a running sweep: the addresses it asks, on the server that it came from. */
  readonly live?: LivePage;
}

export interface LiveAddresses {
  /** Server-sent events; each names the revision there is now. */
  readonly events: string;
  /** `LiveState` as JSON. */
  readonly state: string;
  /** `TrialsPage` as JSON by the query of `TrialsPage`; `/<number>` the `View` of one trial. */
  readonly trials: string;
  /** Grows with every change. */
  readonly revision: number;
}

export interface LivePage extends LiveAddresses {
  readonly status: string;
  readonly sweeps: readonly {
    readonly name: string;
    readonly href: string;
    /** What changed from it to this one. */
    readonly compare: string;
    readonly current: boolean;
  }[];
}

/** Some of a sweep's trials, in the order asked for. */
export interface TrialsPage {
  readonly offset: number;
  /** Trials in all that the query admits. */
  readonly total: number;
  /** Trials of a full page. */
  readonly size: number;
  readonly rows: readonly {
    readonly number: number;
    readonly id: string;
    readonly pattern: string;
    readonly state: string;
    readonly reason: string | null;
    /** Of the objectives, as text. */
    readonly values: readonly (string | null)[];
  }[];
}

/** What a live page is brought up to date with. */
export interface LiveState {
  readonly revision: number;
  readonly status: string;
  /** Inner HTML of the page's main element. */
  readonly main: string;
  readonly view: View;
}

/** The last answer is kept: every page of a server carries the same plotly.js. */
function remembered(work: (text: string) => string): (text: string) => string {
  let last: { readonly text: string; readonly result: string } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, result: work(text) };
    return last.result;
  };
}

const sha256 = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** A script element ends at the first `</script`, even inside a string; the escape means the same to JavaScript. */
const inScript = (code: string): string => code.replace(/<(\/script|!--)/gi, "\\x3C$1");

/** Longest text embedded as it is; what is longer is compressed. */
const PLAIN_LIMIT = 1_000_000;

const compressed = (text: string): string => gzipSync(text, { level: 9 }).toString("base64");
const compressedLibrary = remembered(compressed);
const libraryHash = remembered(sha256);

/** Text that no browser runs: kept for the page's script. `text` must not be able to end the element. */
function payload(id: string, text: string, pack = compressed): Html {
  if (text.length <= PLAIN_LIMIT)
    return html`<script type="application/json" id="${id}">${trusted(text)}</script>`;
  return html`<script type="application/gzip" id="${id}">${trusted(pack(text))}</script>`;
}

/** Everything inside the page's main element. */
function mainOf(data: ReportData, live: boolean): Html {
  const parts: readonly (readonly [string, string, Html | null])[] = [
    ["decide", "Decide", sections.decisionSection(data)],
    ["pareto", "Trade-offs", sections.scatterSection(data)],
    ["contexts", "Context", sections.contextsSection(data)],
    ["layouts", "Layouts", sections.layoutsSection(data)],
    ["table", "Values", sections.tableSection(data)],
    ["findings", "Findings", sections.findingsSection(data)],
    ["importance", "What matters", analysis.importanceSection(data)],
    ["agreement", "Devices agree", analysis.agreementSection(data)],
    ["lineage", "Lineage", analysis.lineageSection(data)],
    ["progress", "Progress", sections.hypervolumeSection(data)],
    ["timeline", "Timeline", sections.timelineSection(data)],
    ["trials", "All trials", live ? sections.trialsSection() : null],
    ["outcomes", "No result", sections.outcomesSection(data)],
    ["budgets", "Budgets", sections.budgetsSection(data)],
    ["devices", "Devices", sections.devicesSection(data)],
    ["provenance", "Configuration", sections.provenanceSection(data)],
  ];
  const shown = parts.filter(([, , body]) => body !== null);
  return html`${sections.header(data)}
<nav aria-label="Sections">${shown.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>
${shown.map(([, , body]) => body)}`;
}

export const liveState = (data: ReportData, revision: number, status: string): LiveState => ({
  revision,
  status,
  main: mainOf(data, true).text,
  view: viewOf(data),
});

/** Above the page: what runs, and the other sweeps of the database. */
const liveBar = (live: LivePage): Html =>
  html`<div class="live"><span id="live-status" role="status">${live.status}</span>${live.sweeps.map(({ name, href, compare, current }) => (current ? html` <b>${name}</b>` : html` <span><a href="${href}">${name}</a> <a class="compare" href="${compare}">compare</a></span>`))}</div>
${payload("live", inertJson({ events: live.events, state: live.state, trials: live.trials, revision: live.revision }))}`;

export function renderHtml(data: ReportData, options: HtmlOptions): string {
  const client = options.client ?? clientBundle();
  const script = inScript(client.script);
  const policy = [
    "default-src 'none'",
    `script-src ${sha256(script)} ${libraryHash(options.plotlySource)}`,
    "style-src 'unsafe-inline'",
    "img-src data: blob:",
    ...(options.live === undefined ? [] : ["connect-src 'self'"]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return html`${trusted("<!doctype html>")}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="edgefront ${data.edgefrontVersion}">
<title>${data.sweep} · edgefront</title>
<style>${trusted(client.style)}</style>
</head>
<body>
<a class="skip" href="#decide">Skip to the decision</a>
${options.live && liveBar(options.live)}
<main>
${mainOf(data, options.live !== undefined)}
</main>
${sections.detailsDialog}
${payload("view", inertJson(viewOf(data)))}
${payload("plotly", options.plotlySource, compressedLibrary)}
<script>${trusted(script)}</script>
</body>
</html>
`.text;
}
