// A page without script that compares two sweeps: configuration, front, and metrics that changed beyond
// noise.
import { counted } from "../../candidates/words.ts";
import { clientBundle } from "../assets.ts";
import type { SweepDiff } from "../diff.ts";
import { deviceText, formatChange, intervalText, metricsText, rulesText } from "../diff-text.ts";
import { formatValue } from "../format.ts";
import { metricLabel } from "../metrics.ts";
import { type Html, html, trusted } from "../text.ts";
import { frontsPicture } from "./fronts.ts";
import { scroller, section } from "./parts.ts";
import { trialHash } from "./trial-hash.ts";

/** Largest number of listed changes; `edgefront diff` prints all. */
const LISTED = 200;

const rows = (title: string, heads: readonly string[], body: readonly (readonly (string | Html)[])[]): Html =>
  scroller(
    title,
    html`<table><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${body.map((cells) => html`<tr>${cells.map((cell, n) => (n === 0 ? html`<th scope="row">${cell}</th>` : html`<td>${cell}</td>`))}</tr>`)}</tbody></table>`,
  );

interface Addresses {
  readonly before: string;
  readonly after: string;
}

/** A link to a trial on the page of its sweep. */
type Link = (side: keyof Addresses, number: number, text: string, metric?: string) => Html;

const frontSection = (diff: SweepDiff, addresses: Addresses, link: Link): Html => {
  const { joined, left, kept } = diff.front;
  return section(
    "front",
    "Front",
    `${counted(kept.length, "layout")} kept, ${joined.length} joined, ${left.length} left.`,
    html`${frontsPicture(diff, (side, number) => addresses[side] + trialHash(number))}<ul>${joined.map(({ id, trial: number, why }) => html`<li>joined: <code>${link("after", number, id)}</code> ${why}</li>`)}${left.map(({ id, trial: number, why }) => html`<li>left: <code>${link("before", number, id)}</code> ${why}</li>`)}</ul>`,
  );
};

const metricsSection = (diff: SweepDiff): Html =>
  section(
    "metrics",
    "Metrics",
    metricsText(diff),
    html`${diff.devices.length > 0 && html`<ul>${diff.devices.map((device) => html`<li>${deviceText(device)}</li>`)}</ul>`}
${
  diff.shifts.length > 0 &&
  rows(
    "Metrics over all shared layouts",
    ["Metric", "Change", "95% interval", "Layouts", "Beyond noise"],
    diff.shifts.map(({ metric, change, interval, layouts, beyondNoise }) => [
      metricLabel(metric),
      formatChange(change),
      intervalText(interval),
      String(layouts),
      beyondNoise ? html`<strong>yes</strong>` : "no",
    ]),
  )
}
${diff.shared > 0 && html`<p class="soft">${rulesText(diff.rules)}</p>`}`,
  );

function changesSection(diff: SweepDiff, link: Link): Html {
  const title = "Layouts that moved by themselves";
  const changes = diff.changes.slice(0, LISTED);
  if (changes.length === 0) return section("changes", title, "None.", html``);
  return section(
    "changes",
    title,
    diff.changes.length > LISTED
      ? `The ${LISTED} largest of ${diff.changes.length} changes; edgefront diff --json prints them all.`
      : "",
    rows(
      title,
      ["Layout", "Metric", "Before", "After", "Change"],
      changes.map(({ id, trials: [first, second], metric, before, after, unit, change }) => [
        html`<code>${id}</code>`,
        metricLabel(metric),
        link("before", first, formatValue(before, unit), metric),
        link("after", second, formatValue(after, unit), metric),
        formatChange(change),
      ]),
    ),
  );
}

function configurationSection({ configuration }: SweepDiff): Html {
  if (configuration.length === 0) return section("configuration", "Configuration", "The same.", html``);
  const settings = configuration.map(({ path, before, after }) => [
    path,
    before ?? "absent",
    after ?? "absent",
  ]);
  return section(
    "configuration",
    "Configuration",
    "",
    rows("Configuration", ["Setting", "Before", "After"], settings),
  );
}

/** Renders the comparison of two sweeps as a page. `addresses`: the pages of both sweeps. */
export function comparisonPage(diff: SweepDiff, addresses: Addresses): string {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
  const link: Link = (side, number, text, metric) =>
    html`<a href="${addresses[side]}${trialHash(number, metric)}">${text}</a>`;
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
${frontSection(diff, addresses, link)}
${metricsSection(diff)}
${changesSection(diff, link)}
${configurationSection(diff)}
</main>
</body>
</html>
`.text;
}
