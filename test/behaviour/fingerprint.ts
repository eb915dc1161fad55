// Stored form of a result: a hash of the whole, and hashes of its parts, which locate a difference between
// two results.
import { createHash } from "node:crypto";

/** Fields about the machine that runs the command, not about its data. */
const VOLATILE: ReadonlySet<string> = new Set(["target"]);

/**
 * Fields with sentences for people. Their words may be improved but their figures must stay, so only the
 * figures are compared.
 */
const PROSE: ReadonlySet<string> = new Set([
  "question",
  "answer",
  "notes",
  "head",
  "rows",
  "reason",
  "reasons",
  "origin",
  "supposed",
  "what",
  "noise",
]);

export interface Fingerprint {
  readonly sha256: string;
  /** Parts with a short hash each: the keys of a JSON document, the size of a list or text. */
  readonly parts: string;
}

export const hash = (text: string | Buffer): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 16);

export const figuresOf = (text: string): string =>
  (text.match(/\d[\w.,%]*/g) ?? []).map((figure) => figure.replace(/[.,]+$/, "")).join(" ");

const onlyFigures = (value: unknown): unknown =>
  typeof value === "string"
    ? figuresOf(value)
    : Array.isArray(value)
      ? value.map(onlyFigures)
      : value !== null && typeof value === "object"
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, onlyFigures(inner)]))
        : value;

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      VOLATILE.has(key) ? [] : [[key, PROSE.has(key) ? onlyFigures(inner) : comparable(inner)]],
    ),
  );
}

/** The figures of a Markdown text's tables. */
const tableFigures = (text: string): string =>
  text
    .split("\n")
    .filter((row) => row.startsWith("|"))
    .map(figuresOf)
    .filter((row) => row !== "")
    .join("\n");

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Returns the part of a command's output that must stay equal, as text that can be compared line by line. */
export function comparableText(output: string): string {
  const json = parsed(output);
  if (json !== undefined) return JSON.stringify(comparable(json), null, 1);
  const rows = output.trimEnd().split("\n").map(parsed);
  if (rows.length > 1 && rows.every((row) => row !== undefined))
    return rows.map((row) => JSON.stringify(comparable(row))).join("\n");
  return output.startsWith("# ") ? tableFigures(output) : output;
}

export function fingerprint(output: string): Fingerprint {
  const text = comparableText(output);
  const json = parsed(text);
  const parts =
    json !== null && typeof json === "object" && !Array.isArray(json)
      ? Object.entries(json).map(([key, value]) => `${key} ${hash(JSON.stringify(value)).slice(0, 6)}`)
      : [`${text === "" ? 0 : text.split("\n").length} lines`];
  return { sha256: hash(text), parts: parts.join(", ") };
}
