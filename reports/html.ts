// The report as one self-contained HTML file, without network or server. Sections are static HTML and data is
// inert JSON. plotly.js is compressed, and the page unpacks it. The content security policy names the page's
// scripts by hash and allows nothing from outside. Styles are 'unsafe-inline' because plotly.js sets its own.
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { clientBundle, type Plotly } from "./assets.ts";
import type { LivePage } from "./live-messages.ts";
import { type Section, sectionsOf } from "./page/page-body.ts";
import { detailsDialog } from "./page/sections.ts";
import { type View, viewOf } from "./page/view.ts";
import type { ReportData } from "./report-model.ts";
import { type Html, html, inertJson, trusted } from "./text.ts";

export interface HtmlOptions {
  /** plotly.js-dist, read by `plotly()` of assets.ts. */
  readonly plotly: Plotly;
  /** The page's own script and style. Default: the bundle of reports/client/. */
  readonly client?: { readonly script: string; readonly style: string };
  /** Makes the page follow a running sweep: the addresses that it requests, on its own server. */
  readonly live?: LivePage;
}

/** Keeps the last result: every page of a server contains the same plotly.js. */
function remembered(work: (text: string) => string): (text: string) => string {
  let last: { readonly text: string; readonly result: string } | undefined;
  return (text) => {
    if (last?.text !== text) last = { text, result: work(text) };
    return last.result;
  };
}

const sha256 = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/**
 * A script element ends at the first `</script`, even inside a string. The escaped text means the same to
 * JavaScript.
 */
const inScript = (code: string): string => code.replace(/<(\/script|!--)/gi, "\\x3C$1");

/** Longest text that is embedded uncompressed. */
const PLAIN_LIMIT = 1_000_000;

const compressed = (text: string): string => gzipSync(text, { level: 6 }).toString("base64");
const compressedLibrary = remembered(compressed);
const libraryHash = remembered(sha256);

/** Text that no browser runs, for the page's script. `text` must not be able to end the element. */
function payload(id: string, text: string, pack = compressed): Html {
  if (text.length <= PLAIN_LIMIT)
    return html`<script type="application/json" id="${id}">${trusted(text)}</script>`;
  return html`<script type="application/gzip" id="${id}">${trusted(pack(text))}</script>`;
}

/** The bar above the page: running sweep, and the other sweeps of the database. */
const liveBar = (live: LivePage): Html =>
  html`<div class="live"><span id="live-status" role="status">${live.status}</span>${live.sweeps.map(({ name, href, compare, current }) => (current ? html` <b>${name}</b>` : html` <span><a href="${href}">${name}</a> <a class="compare" href="${compare}">compare</a></span>`))}</div>
${payload("live", inertJson({ events: live.events, state: live.state, trials: live.trials, revision: live.revision }))}`;

/** The finished contents of a page. */
export interface PageContent {
  readonly sections: readonly Section[];
  readonly view: View;
}

/**
 * Explains missing figures on a page whose script does not run: switched off, or blocked by the policy of a
 * server, which <noscript> does not detect. The script removes the notice. Its style delays it by a moment,
 * so that a working page never shows it.
 */
const unfilled = html`<p class="notice unfilled" id="unfilled" role="note"><strong>Figures are missing:</strong> they need JavaScript, and the page's script did not run: it is switched off, or the server's content security policy forbids it. Every number is in the tables below. To see the figures, save the page and open the file, or run edgefront ui.</p>`;

/** Renders the report as one HTML file. */
export const renderHtml = (data: ReportData, options: HtmlOptions): string =>
  renderPage(data, { sections: sectionsOf(data, { live: false }), view: viewOf(data) }, options);

/** Returns a mark with the page's sweep, for programs that are about to replace the file. */
export const reportOf = ({ sweep, createdAt }: Pick<ReportData, "sweep" | "createdAt">): Html =>
  html`<meta name="edgefront-sweep" content="${sweep} of ${createdAt}">`;

/** Renders a page from its finished contents. */
export function renderPage(
  data: Pick<ReportData, "sweep" | "createdAt" | "edgefrontVersion">,
  { sections, view }: PageContent,
  options: HtmlOptions,
): string {
  const client = options.client ?? clientBundle();
  const script = inScript(client.script);
  const policy = [
    "default-src 'none'",
    `script-src ${sha256(script)} ${libraryHash(options.plotly.source)}`,
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
${reportOf(data)}
<title>${data.sweep} · edgefront</title>
<style>${trusted(client.style)}</style>
</head>
<body>
<a class="skip" href="#decide">Skip to the decision</a>
${unfilled}
${options.live && liveBar(options.live)}
<main>
${sections.map(([, markup]) => trusted(`${markup}\n`))}
</main>
${detailsDialog}
${payload("view", inertJson(view))}
${payload("plotly", options.plotly.source, (text) => options.plotly.packed ?? compressedLibrary(text))}
<script>${trusted(script)}</script>
</body>
</html>
`.text;
}
