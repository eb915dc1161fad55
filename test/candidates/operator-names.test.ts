// No file outside candidates/ops/ decides by an operator's name or by a token's first letter. Other code asks
// a trait (candidates/layout.ts) or a member of the operator (candidates/ops/operator.ts).
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ffns, mixers } from "../../candidates/ops/operator-registry.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";

const oneOf = (words: readonly string[]): string => `(?:${words.join("|")})`;
const names = oneOf([...mixers, ...ffns].map(({ name }) => name));
const letters = [...new Set(mixers.map(({ notation }) => notation.form[0]!))].join("");
const equals = "[!=]==?";

/** Patterns of source text that decide by a name or a letter. */
const decisions: readonly RegExp[] = [
  // mixer.op === x, x === ffn.op, ({ op }) => op === x
  new RegExp(`\\bop\\s*${equals}\\s*(?![=\\s"'\`])`),
  new RegExp(`${equals}\\s*[\\w.!?[\\]]*\\.op\\b`),
  // switch (mixer.op), kinds[mixer.op], names.has(mixer.op), names.includes(op)
  /switch \((?:\w+\.)*op\)/,
  /\[(?:\w+[.!?]*)*\.op\]/,
  /\.(?:has|get|includes|indexOf)\((?:\w+[.!?]*)*\bop\)/,
  // kind === "gqa", case "gqa":
  new RegExp(`(?:${equals}|\\bcase)\\s*["'\`]${names}["'\`]`),
  new RegExp(`["'\`]${names}["'\`]\\s*${equals}`),
  // "kernel" in mixer
  /["'`]\w+["'`] in (?:\w+\.)*mixer\b/,
  // token.startsWith("c"), token[0] === "c", token.charAt(0) === "c", /^[gs]/, /^c\d/
  new RegExp(`startsWith\\(["'\`][${letters}]["'\`]\\)`),
  new RegExp(`(?:\\[0\\]!?|charAt\\(0\\)|at\\(0\\))\\s*${equals}\\s*["'\`][${letters}]["'\`]`),
  new RegExp(`/\\^(?:\\[[${letters}]+\\]|[${letters}])(?:\\\\d|\\(|\\$|/)`),
];

const decidesIn = (text: string): readonly string[] =>
  text.split("\n").filter((line) => decisions.some((pattern) => pattern.test(line)));

const sources = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts"], {
  cwd: PACKAGE_ROOT,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && !path.startsWith("candidates/ops/"));

it.each([
  'layers.filter(({ mixer }) => mixer.op === "gqa")',
  'palette.find(({ op }) => op !== "conv")',
  "layers[0].mixer.op == other",
  "if (wanted === layer.ffn.op) {",
  "switch (mixer.op) {",
  "heights[mixer.op]",
  "windowed.has(layer.mixer.op)",
  'case "swa":',
  'kind === "swiglu" ? a : b',
  '"kvHeads" in mixer ? mixer.kvHeads : 0',
  'config.mixers.some((token) => token.startsWith("c"))',
  'token[0] === "g"',
  "tokens.filter((token) => /^[gs]/.test(token))",
  "token.match(/^c\\d+$/)",
])("finds %s", (line) => {
  expect(decidesIn(line)).toEqual([line]);
});

it("no file decides by an operator's name or a token's letter", () => {
  expect(sources.length).toBeGreaterThan(300);
  const self = "test/candidates/operator-names.test.ts";
  const found = sources
    .filter((path) => path !== self)
    .flatMap((path) =>
      decidesIn(readFileSync(join(PACKAGE_ROOT, path), "utf8")).map((line) => `${path}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});
