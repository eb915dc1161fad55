import { expect, test } from "vitest";
import { layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { counted } from "../../candidates/words.ts";
import { formatNumber } from "../../reports/format.ts";
import { frontPoints, groupByReason } from "../../reports/front.ts";
import { frontJson } from "../../reports/json.ts";
import { renderTable } from "../../reports/table.ts";
import { hostileReportData, testReportData } from "../support/report-data.ts";
import { rendered, textFormats } from "../support/report-formats.ts";

const data = testReportData();
const empty = { ...data, trials: [], hypervolume: [], referencePoint: null };

/** A short CSV reader (RFC 4180), independent of the writer. */
function readCsv(text: string): string[][] {
  const unquote = (cell: string): string =>
    cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
  const lines = text.trimEnd().split("\r\n");
  return lines.map((line) =>
    [...`${line},`.matchAll(/("(?:[^"]|"")*"|[^,]*),/g)].map(([, cell]) => unquote(cell!)),
  );
}

test.each(textFormats)("%s is a pure function and copes with an empty sweep", (format) => {
  expect(rendered(format, data)).toBe(rendered(format, data));
  expect(() => rendered(format, empty)).not.toThrow();
});

test("front json has the shape of the contract, and its points are the front", () => {
  const front = frontJson(data);
  expect(Object.keys(front)).toEqual(["sweep", "objectives", "proxies", "points"]);
  expect(front.objectives[0]).toEqual({ name: "ttftMs@1024:laptop", direction: "min", unit: "ms" });
  expect(front.points.map((point) => point.id).sort()).toEqual(
    data.trials
      .filter((trial) => trial.onFront)
      .map((trial) => trial.id)
      .sort(),
  );
  for (const point of front.points) {
    expect(layoutId(parseNotation(point.notation))).toBe(point.id);
    for (const { name } of front.objectives)
      expect(point.metrics[name]).toMatchObject({ value: expect.any(Number), low: null, high: null });
    expect(point.chance).toBeNull();
  }
  const values = front.points.map((point) => point.metrics["ttftMs@1024:laptop"]!.value);
  expect(values).toEqual([...values].sort((a, b) => a - b));
});

test("csv has every trial once, values as measured, empty cells for missing values", () => {
  const [head, ...rows] = readCsv(rendered("csv", data));
  expect(rows).toHaveLength(data.trials.length);
  expect(rows.every((row) => row.length === head!.length)).toBe(true);
  const column = head!.indexOf("ttftMs@1024:laptop");
  for (const [index, trial] of data.trials.entries()) {
    const metric = trial.metrics["ttftMs@1024:laptop"];
    expect(rows[index]![column]).toBe(metric === undefined ? "" : String(metric.value));
    expect(rows[index]![column + 2]).toBe(metric === undefined ? "" : String(Math.max(...metric.samples)));
  }
});

test("json and jsonl read back to the same trials", () => {
  for (const some of [data, empty]) {
    const text = rendered("json", some);
    const { trials, front, ...rest } = JSON.parse(text);
    expect(trials).toEqual(some.trials);
    expect(front).toEqual(frontJson(some).points);
    expect(rest).toMatchObject({
      format: "edgefront-report",
      sweep: some.sweep,
      timeline: JSON.parse(JSON.stringify(some.timeline)),
    });
    // Text written in pieces equals text written at once.
    expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`);
  }
  const lines = rendered("jsonl", data).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).id)).toEqual(data.trials.map((trial) => trial.id));
});

test.each([40, 60, 80, 120])("the table fits %i columns", (width) => {
  for (const some of [data, testReportData({ trials: 8 }), hostileReportData(), empty]) {
    const text = renderTable(some, { width });
    expect(Math.max(...text.split("\n").map((line) => [...line].length))).toBeLessThanOrEqual(width);
    expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});

test("the table names every point of the front, what is published, and what is emulated", () => {
  const text = renderTable(data);
  for (const { label, trial } of frontPoints(data))
    expect(text).toMatch(new RegExp(`^${label} +(${trial.id}|\\* )`, "m"));
  expect(text).toContain("* lfm2-350m");
  expect(text).toMatch(/^ +runs in edgefront, llama\.cpp, transformers$/m);
  const emulated = testReportData({ devices: 3 });
  const [objective] = emulated.objectives;
  const renamed = { ...emulated, objectives: [{ ...objective!, name: "ttftMs@1024:qemu-arm" }] };
  expect(renderTable(renamed)).toContain("(emul.)");
  expect(rendered("md", renamed)).toContain("*(emulated)*");
});

test("reasons are grouped by cause, whatever figures they quote", () => {
  const groups = groupByReason(data);
  const without = data.trials.filter((trial) => trial.state === "infeasible" || trial.state === "failed");
  expect(groups.reduce((sum, group) => sum + group.trials.length, 0)).toBe(without.length);
  expect(groups.length).toBeLessThanOrEqual(4);
});

test("markdown: a front row each, no markup from hostile data", () => {
  const rows = rendered("md", data).match(/^\| F\d+ \|/gm);
  expect(rows).toHaveLength(frontPoints(data).length);
  const outsideFences = rendered("md", hostileReportData()).replace(/^(`{3,})[a-z]+\n.*?\n\1$/gms, "");
  expect(outsideFences).not.toMatch(/<(script|img)/);
  expect(outsideFences).toContain("&lt;script&gt;");
});

test("every head of the csv names one column, also where a counted metric is an objective", () => {
  const withCounted = {
    ...data,
    objectives: [{ name: "parameters", direction: "min" as const, unit: "parameters" }, ...data.objectives],
    trials: data.trials.map((trial) => ({
      ...trial,
      metrics: {
        ...trial.metrics,
        parameters: { value: trial.parameters, unit: "parameters", samples: [], stable: true },
      },
    })),
  };
  const [head, ...rows] = readCsv(rendered("csv", withCounted));
  expect(new Set(head).size).toBe(head!.length);
  expect(rows[0]![head!.indexOf("parameters")]).toBe(String(data.trials[0]!.parameters));
});

test("numbers of people's tables have separators, not exponents", () => {
  expect([62_110.4, 999.96, 1234.5, 0.12345, 12_345_678].map((value) => formatNumber(value, 4))).toEqual([
    "62,110",
    "1000",
    "1,235",
    "0.1235",
    "12,345,678",
  ]);
});

test("counted things agree with their number", () => {
  expect([0, 1, 2].map((n) => counted(n, "thread"))).toEqual(["0 threads", "1 thread", "2 threads"]);
  expect([1, 2].map((n) => counted(n, "placement of threads", "placements of threads"))).toEqual([
    "1 placement of threads",
    "2 placements of threads",
  ]);
});
