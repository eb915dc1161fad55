// The confirmed choice as a section: values of new samples alone, the chances to keep to the budgets, and the choices that were replaced.
import { confirmationLines, confirmationTable } from "../confirmation.ts";
import type { ReportData } from "../model.ts";
import { type Html, html } from "../text.ts";
import { scroller, section } from "./parts.ts";

export function confirmedSection({ confirmation, objectives }: ReportData): Html | null {
  if (confirmation === undefined) return null;
  const table = confirmationTable(confirmation, objectives);
  const [first, ...others] = table?.head ?? [];
  return section(
    "confirmed",
    "Confirmed",
    "A choice and its runner-up measured and trained anew: the values that chose them are too good, these are not.",
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
