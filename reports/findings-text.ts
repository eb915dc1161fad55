// Renders findings: a question, an answer in words, and the figures behind it. runner/findings/ makes them;
// the page, Markdown and the terminal show them alike.
import type { ReportFinding } from "./report-model.ts";
import { columns } from "./terminal.ts";
import { escapeMarkdown, type Html, html, plain } from "./text.ts";

const verdicts = {
  agrees: "agrees with the publication",
  contradicts: "contradicts the publication",
  undecidable: "undecidable within this time budget",
  counted: "counted",
  open: "cannot tell",
} as const;

function words({ verdict, moreMinutes }: ReportFinding): string | null {
  if (verdict === undefined) return null;
  if (verdict !== "undecidable" || moreMinutes === undefined) return verdicts[verdict];
  const minutes = Math.max(1, Math.round(moreMinutes));
  return `${verdicts[verdict]}: needs about ${minutes.toLocaleString("en")} more minute${minutes === 1 ? "" : "s"}`;
}

/** Returns the findings as HTML; null if there are none. */
export function findingsBody(findings: readonly ReportFinding[]): Html | null {
  if (findings.length === 0) return null;
  return html`${findings.map(
    (finding) => html`<article class="finding" id="finding-${finding.id}"><h3>${finding.question}</h3>
<p>${words(finding) && html`<span class="tag${finding.verdict === "contradicts" ? " warn" : ""}">${words(finding)}</span> `}${finding.answer}</p>
${tableOf(finding)}${finding.notes.map((note) => html`<p class="soft">${note}</p>`)}</article>`,
  )}`;
}

function tableOf({ table, question }: ReportFinding): Html | null {
  if (table === undefined) return null;
  return html`<div class="scroll" role="region" aria-label="${question}" tabindex="0"><table><thead><tr>${table.head.map((cell, n) => html`<th scope="col"${n > 0 && html` class="num"`}>${cell}</th>`)}</tr></thead>
<tbody>${table.rows.map((row) => html`<tr>${row.map((cell, n) => (n === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="num">${cell}</td>`))}</tr>`)}</tbody></table></div>`;
}

/** Returns the findings as lines of Markdown. */
export function findingsMarkdown(findings: readonly ReportFinding[]): readonly string[] {
  const md = escapeMarkdown;
  const row = (cells: readonly string[]): string => `| ${cells.map(md).join(" | ")} |`;
  return findings.flatMap((finding) => [
    `### ${md(finding.question)}`,
    "",
    `${words(finding) === null ? "" : `**${words(finding)}:** `}${md(finding.answer)}`,
    "",
    ...(finding.table === undefined
      ? []
      : [
          row(finding.table.head),
          `| ${finding.table.head.map(() => "---").join(" | ")} |`,
          ...finding.table.rows.map(row),
          "",
        ]),
    ...finding.notes.flatMap((note) => [md(note), ""]),
  ]);
}

/** Returns text for a terminal. An infinite width gives whole sentences, for a pipe. */
export function findingsText(findings: readonly ReportFinding[], width = Number.POSITIVE_INFINITY): string {
  return findings
    .map((finding) =>
      [
        plain(finding.question),
        `  ${words(finding) === null ? "" : `[${words(finding)}] `}${plain(finding.answer)}`,
        ...textTable(finding, width - TABLE_INDENT.length),
        ...finding.notes.map((note) => `  ${plain(note)}`),
      ].join("\n"),
    )
    .join("\n\n");
}

const TABLE_INDENT = "  ";

function textTable({ table }: ReportFinding, width: number): string[] {
  if (table === undefined) return [];
  const numbers = table.head.map((_, n) => n).slice(1);
  const text = columns(
    [table.head, ...table.rows].map((row) => row.map(plain)),
    numbers,
    width,
  );
  return text.split("\n").map((line) => TABLE_INDENT + line);
}
