// Two sweeps side by side, as a page of its own without any script: configuration, front, and metrics that changed beyond noise.
import { clientBundle } from "../assets.ts";
import type { SweepDiff } from "../diff.ts";
import { formatValue } from "../format.ts";
import { metricLabel } from "../metrics.ts";
import { type Html, html, trusted } from "../text.ts";
import { scroller, section } from "./parts.ts";

/** Changes listed, the largest first; the command prints them all. */
const LISTED = 200;

const rows = (title: string, heads: readonly string[], body: readonly (readonly (string | Html)[])[]): Html =>
  scroller(
    title,
    html`<table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${body.map((cells) => html`<tr>${cells.map((cell, n) => (n === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`)}</tbody></table>`,
  );

export function comparisonPage(
  diff: SweepDiff,
  addresses: { readonly before: string; readonly after: string },
): string {
  const { joined, left, kept } = diff.front;
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  const changes = diff.changes.slice(0, LISTED);
  return html`${trusted("<!doctype html>")}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${diff.before} to ${diff.after} · edgefront</title>
<style>${trusted(clientBundle().style)}</style>
</head>
<body>
<main>
<header><p class="eyebrow">edgefront, what changed</p>
<h1><a href="${addresses.before}">${diff.before}</a> to <a href="${addresses.after}">${diff.after}</a></h1></header>
${section(
  "front",
  "Front",
  `${kept.length} layouts kept, ${joined.length} joined, ${left.length} left.`,
  html`<ul>${joined.map((id) => html`<li>joined <code>${id}</code></li>`)}${left.map((id) => html`<li>left <code>${id}</code></li>`)}</ul>`,
)}
${section(
  "metrics",
  "Metrics",
  `${diff.shared} layouts are complete in both, ${diff.compared} values were compared, ${diff.changes.length} changed beyond noise: raw samples apart, and at least 2%.${diff.changes.length > LISTED ? ` The ${LISTED} largest are listed; edgefront diff prints them all.` : ""}`,
  changes.length === 0
    ? html``
    : rows(
        "Metrics that changed",
        ["Layout", "Metric", "Before", "After", "Change"],
        changes.map(({ id, metric, before, after, unit, change }) => [
          html`<code>${id}</code>`,
          metricLabel(metric),
          formatValue(before, unit),
          formatValue(after, unit),
          `${change > 0 ? "+" : ""}${(change * 100).toFixed(1)}%`,
        ]),
      ),
)}
${section(
  "configuration",
  "Configuration",
  diff.configuration.length === 0 ? "The same." : "",
  diff.configuration.length === 0
    ? html``
    : rows(
        "Configuration",
        ["Setting", "Before", "After"],
        diff.configuration.map(({ path, before, after }) => [path, before ?? "absent", after ?? "absent"]),
      ),
)}
</main>
</body>
</html>
`.text;
}
