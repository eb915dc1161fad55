// Findings on the page, in Markdown, JSON and a terminal.
import { describe, expect, it } from "vitest";
import { findingsText } from "../../reports/findings-text.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { testReportData } from "../support/report-data.ts";
import { rendered } from "../support/report-formats.ts";

const findings: readonly ReportFinding[] = [
  {
    id: "placement",
    question: "Does <early> placement cost?",
    answer: "No | none.",
    verdict: "contradicts",
    table: { head: ["Layout", "TTFT"], rows: [["early", "12 ms"]] },
    notes: ["Three repetitions."],
  },
];

describe("findings", () => {
  it("stand in every readable format, escaped for it, with their verdict", () => {
    const data = { ...testReportData({ trials: 8 }), findings };
    const page = rendered("html", data);
    expect(page).toContain("Does &lt;early&gt; placement cost?");
    expect(page).toContain("contradicts the publication");
    expect(page).toMatch(/<td class="num">12 ms<\/td>/);
    expect(rendered("md", data)).toContain("**contradicts the publication:** No \\| none.");
    expect(JSON.parse(rendered("json", data)).findings).toEqual(findings);
    expect(findingsText(findings)).toContain("[contradicts the publication] No | none.");
    expect(findingsText(findings)).toMatch(/early {3}12 ms/);
  });

  it("have no section where there are none", () => {
    expect(rendered("html", testReportData({ trials: 8 }))).not.toContain('id="findings"');
  });
});
