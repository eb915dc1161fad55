import { expect, test } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { parseMetricName } from "../../profilers/metrics/name.ts";
import {
  formatContext,
  formatNumber,
  formatParameters,
  formatRange,
  formatValue,
} from "../../reports/format.ts";
import { compressPattern } from "../../reports/front.ts";
import { directionOf, metricLabel, shortLabel } from "../../reports/metrics.ts";
import {
  csvCell,
  escapeMarkdown,
  html,
  inertJson,
  markdownFence,
  plain,
  trusted,
} from "../../reports/text.ts";
import { HOSTILE } from "../support/report-data.ts";

test.each([
  [0.4213, "ms", "0.421 ms"],
  [812.4, "ms", "812 ms"],
  [12_400, "ms", "12.4 s"],
  [412_345_678, "bytes", "412 MB"],
  [1_234_567_890, "bytes", "1.23 GB"],
  [45.06, "tok/s", "45.1 tok/s"],
  [12_345.6, "tok/s", "12,346 tok/s"],
  [0.8734, "fraction", "0.873"],
  [354_483_968, "parameters", "354 M"],
  [7.08e8, "FLOP", "708 MFLOP"],
  [6, "layers", "6"],
  [-0.0857, "fraction", "\u22120.0857"],
])("%f %s reads %s", (value, unit, text) => {
  expect(formatValue(value, unit)).toBe(text);
});

test("shows a missing number as a dash, never as NaN", () => {
  expect(formatNumber(Number.NaN)).toBe("–");
  expect(formatNumber(Number.POSITIVE_INFINITY)).toBe("–");
  expect(formatNumber(0)).toBe("0");
});

test("a range keeps one unit and shows both ends", () => {
  expect(formatRange(998_000, 1_002_000, "bytes")).toBe("0.9980–1.002 MB");
  expect(formatRange(11.2, 12.9, "ms")).toBe("11.20–12.90 ms");
  expect(formatRange(5, 5, "ms")).toBe("5.000 ms");
  expect(formatParameters(354_483_968)).toBe("354M");
  expect([512, 1024, 4096, 1000].map(formatContext)).toEqual(["512", "1K", "4K", "1000"]);
});

test("metric names are read into words", () => {
  expect(parseMetricName("decodeTokensPerSecond@4096:my phone:2")).toEqual({
    base: "decodeTokensPerSecond",
    context: 4096,
    batch: 1,
    device: "my phone:2",
    runtime: null,
  });
  expect(parseMetricName("ttftMs@512x8:phone")).toMatchObject({ context: 512, batch: 8, device: "phone" });
  expect(parseMetricName("recall.accuracy")).toEqual({
    base: "recall.accuracy",
    context: null,
    batch: 1,
    device: null,
    runtime: null,
  });
  expect(metricLabel("ttftMs@1024:phone")).toBe("Time to first token at 1K on phone");
  expect(metricLabel("ttftMs@1024x4:phone")).toBe("Time to first token at 1K batch 4 on phone");
  expect(metricLabel("longRecall.bitsPerByte")).toBe("Long recall bits per byte");
  expect(shortLabel("ttftMs@1024:phone")).toEqual(["TTFT", "1K phone"]);
  expect(shortLabel("ttftMs@1024x4:phone")).toEqual(["TTFT", "1K x4 phone"]);
  expect(directionOf("long.accuracy", { objectives: [] })).toBe("max");
  expect(directionOf("mystery", { objectives: [{ name: "mystery", direction: "min", unit: "" }] })).toBe(
    "min",
  );
  expect(directionOf("other", { objectives: [] })).toBeNull();
});

test("a compressed pattern is the same layout to the notation parser", () => {
  const pattern = "c3 c3 g c3 s256 s256 s256";
  const head = "v512 d64 f128 h4/2x16 :";
  expect(compressPattern(pattern)).toBe("2[c3] g c3 3[s256]");
  expect(parseNotation(`${head} ${compressPattern(pattern)}`)).toEqual(parseNotation(`${head} ${pattern}`));
});

test("html escapes every interpolated string and nothing twice", () => {
  expect(html`<p title="${HOSTILE}">${HOSTILE}</p>`.text).not.toMatch(/<(script|img)/);
  expect(html`<p>${html`<b>${"<&>"}</b>`}${trusted("<i></i>")}${null}${false}${["a", 1]}</p>`.text).toBe(
    "<p><b>&lt;&amp;&gt;</b><i></i>a1</p>",
  );
});

test("JSON inside a script cannot end it and reads back equal", () => {
  const text = inertJson({ a: HOSTILE, b: "\u2028" });
  expect(text).not.toMatch(/[<>&\u2028]/);
  expect(JSON.parse(text)).toEqual({ a: HOSTILE, b: "\u2028" });
});

test("control and direction characters do not reach a terminal", () => {
  expect(plain("a\u001b[31mb\u202ec\nd")).toBe("a\uFFFD[31mb\uFFFDc d");
});

test("markdown and csv carry hostile text as text", () => {
  expect(escapeMarkdown("a|b <img> `x` [l](u)")).toBe("a\\|b &lt;img&gt; \\`x\\` \\[l\\](u)");
  expect(markdownFence("x\n````\ny", "text")).toBe("`````text\nx\n````\ny\n`````");
  expect(csvCell("=1+1")).toBe("'=1+1");
  expect(csvCell(-1)).toBe("-1");
  expect(csvCell('a,"b"')).toBe('"a,""b"""');
});
