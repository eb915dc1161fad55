// Text in windows of some width: no line is longer, no text is lost.
import { describe, expect, it, test } from "vitest";
import { findingsText } from "../../reports/findings-text.ts";
import { columns, facts, fewerColumns, wrapText } from "../../reports/terminal.ts";

const longest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);
const ROWS = [
  ["NAME", "STATE", "LAST FAULT"],
  ["phone", "quarantined", "lost: no answer for 30 s"],
  ["local", "ready", "-"],
];

test.each([24, 40, 60, 80])("prose keeps its words and its indentation within %i columns", (width) => {
  const text =
    "A question?\n  An answer in a sentence that is longer than most windows are wide, l1-0123456789abcdef.\n\nshort";
  const wrapped = wrapText(text, width);
  expect(longest(wrapped)).toBeLessThanOrEqual(width);
  expect(words(wrapped)).toEqual(words(text));
  const [, , second] = wrapped.split("\n");
  expect(second).toMatch(width < 80 ? /^ {2}\S/ : /^ {2}\S|^$/);
  expect(wrapText(text, Number.POSITIVE_INFINITY)).toBe(text);
});

test("a table is columns where it fits, and a block a row where it does not", () => {
  expect(columns(ROWS, [], 80)).toMatch(/^NAME {3}STATE {8}LAST FAULT\nphone {2}quarantined {2}lost/);
  const narrow = columns(ROWS, [], 30);
  expect(longest(narrow)).toBeLessThanOrEqual(30);
  expect(narrow).toMatch(/^phone\n {2}STATE\s+quarantined\n/);
  for (const cell of ROWS.slice(1).flat()) expect(words(narrow)).toEqual(expect.arrayContaining(words(cell)));
});

test("a list keeps one line a row by leaving out columns, in the order given", () => {
  expect(fewerColumns(ROWS, ["LAST FAULT", "STATE"], 80)).toBe(columns(ROWS, [], 80));
  expect(fewerColumns(ROWS, ["STATE", "LAST FAULT"], 36)).toBe(
    ["NAME   LAST FAULT", "phone  lost: no answer for 30 s", "local  -"].join("\n"),
  );
  expect(fewerColumns(ROWS, ["STATE", "LAST FAULT"], 12)).toBe("NAME\nphone\nlocal");
});

test("heads go over several lines before rows become blocks", () => {
  const rows = [
    ["", "Median time per token at 1K", "Chance"],
    ["#0", "0.787 ms", "100%"],
  ];
  expect(columns(rows, [1, 2], 30)).toBe(
    ["      Median", "    time per", "    token at", "          1K  Chance", "#0  0.787 ms    100%"].join(
      "\n",
    ),
  );
});

test("findings fit the window, tables and all", () => {
  const finding = {
    id: "one",
    question: "Was measuring worth it?",
    answer: "Choosing among the same 16 layouts by the best proxy keeps 97.0% of the hypervolume.",
    table: {
      head: ["Device, chosen by", "Hypervolume kept", "Regret (mean, worst)"],
      rows: [["local, FLOPs", "97.0%", "17.3%, 58.6%"]],
    },
    notes: ["Regret: how much slower or larger the best chosen layout is."],
  };
  for (const width of [40, 60, 80])
    expect(longest(wrapText(findingsText([finding], width), width))).toBeLessThanOrEqual(width);
  expect(findingsText([finding]).split("\n")).toHaveLength(5);
});

describe("facts", () => {
  const rows = [
    ["reached by", "ssh user@phone.example:8022"],
    ["clusters", "2 x 3187 MHz, 6 x 2016 MHz, and more words than one line of the window has room for"],
    ["  avx2", "12 GOPS"],
  ] as const;

  it("are one line each where they fit", () => {
    expect(facts(rows.slice(0, 1), 80)).toBe("reached by  ssh user@phone.example:8022");
    expect(facts(rows, Number.POSITIVE_INFINITY).split("\n")).toHaveLength(3);
  });

  it("never repeat the first row's value, and stay within the window with the values in their column", () => {
    for (const width of [80, 60, 40, 24]) {
      const text = facts(rows, width);
      for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
      expect(text.replace(/\s+/g, "").match(/phone\.example/g)).toHaveLength(1);
      expect(text).toMatch(/^ {2}avx2 +12 GOPS$/m);
    }
  });
});
