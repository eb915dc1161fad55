// The section of the confirmed choice: values of the new samples only, the chances of meeting the budgets,
// and replaced choices.
import { confirmationLines, confirmationTable } from "../confirmation.ts";
import type { ReportData } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import { scroller, section } from "./parts.ts";

/** Returns the section of the confirmed choice; null where there is none. */
export function confirmedSection({ confirmation, objectives }: ReportData): Html | null {
  if (confirmation === undefined) return null;
  const table = confirmationTable(confirmation, objectives);
  const [first, ...others] = table?.head ?? [];
  return section(
    "confirmed",
    "Confirmed",
    "The choice and its runner-up, measured and trained again. The values that led to the choice are too optimistic; these are not.",
    html`<ul>${confirmationLines(confirmation).map((line) => html`<li>${line}</li>`)}</ul>
${
  table &&
  scroller(
    "Confirmed choice",
    html`<table><thead><tr><th>${first}</th>${others.map((name) => html`<th scope="col" class="num">${name}</th>`)}</tr></thead>
<tbody>${table.rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td class="num">${cell}</td>`)}</tr>`)}</tbody></table>`,
  )
}`,
  );
}
