// Makes text from elsewhere safe for each place that shows it: HTML, JSON inside HTML, Markdown, CSV, a
// terminal. The renderers decide what to show.

/**
 * Returns text in which control and format characters (terminal escapes, bidirectional overrides) are U+FFFD,
 * and tabs and newlines a space.
 */
export function plain(text: string): string {
  return text.replace(/[\t\r\n]+/g, " ").replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD");
}

const HTML_ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => HTML_ENTITIES[character]!);

/** A piece of HTML that is already safe. Only `html`, `trusted` and `preformatted` create one. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}
export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[];

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join("");
  return escapeHtml(plain(String(value)));
}

/**
 * Template tag. Every interpolated string is escaped; pieces of Html pass unchanged; null, undefined and
 * false are omitted.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let out = strings[0]!;
  for (const [index, value] of values.entries()) out += render(value) + strings[index + 1]!;
  return new Html(out);
}

/** Marks text as HTML without escaping. Use it for our own constants only. */
export const trusted = (text: string): Html => new Html(text);

/** Returns many lines (configuration, for <pre>): escaped, with their line breaks. */
export const preformatted = (text: string): Html =>
  new Html(escapeHtml(text.split("\n").map(plain).join("\n")));

/**
 * Returns JSON that is safe inside a <script type="application/json">: no `<`, `>`, `&`, no line separators.
 */
export function inertJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Returns text for a Markdown table or paragraph: no markup, no cell separator, no HTML. */
export function escapeMarkdown(text: string): string {
  return plain(text)
    .replace(/[\\`*_{}[\]|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");
}

/** Returns a fenced block whose fence is longer than any run of backticks inside. */
export function markdownFence(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text.split("\n").map(plain).join("\n")}\n${fence}`;
}

/**
 * Returns one CSV cell (RFC 4180). Text that a spreadsheet would read as a formula gets a leading apostrophe;
 * numbers do not.
 */
export function csvCell(value: string | number | boolean | null): string {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  const text = plain(value);
  const safe = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
