// What a person may write for a layout: a name (lfm2-350m), the notation, or a JSON file.
import { existsSync, readFileSync } from "node:fs";
import { InvalidInputError } from "../candidates/errors.ts";
import { type Layout, parseLayout } from "../candidates/layout.ts";
import { namedLayouts } from "../candidates/named.ts";
import { parseNotation } from "../candidates/notation.ts";
import { suggestion } from "./config-errors.ts";

/** Layout files above this are refused unread. */
const MAX_FILE_BYTES = 4 * 2 ** 20;

function readLayoutFile(path: string): Layout {
  let data: unknown;
  try {
    // Some editors put a byte-order mark before the text.
    const text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
    if (text.length > MAX_FILE_BYTES) throw new RangeError("it is larger than any layout");
    data = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof SyntaxError ? "it is not JSON" : (cause as Error).message;
    throw new InvalidInputError("unreadable-layout", `cannot read the layout ${path}: ${why}`, { cause });
  }
  return parseLayout(data);
}

/** Throws InvalidInputError with the nearest name, or what is wrong with the notation or the file. */
export function layoutFrom(text: string): Layout {
  const named = namedLayouts[text.toLowerCase()];
  if (named !== undefined) return named;
  if (text.includes(":")) return parseNotation(text);
  if (text.endsWith(".json") || existsSync(text)) return readLayoutFile(text);
  const hint = suggestion(text, Object.keys(namedLayouts));
  throw new InvalidInputError(
    "unknown-layout",
    `"${text}" is neither a named layout nor a notation (v... d... f... : c3 g ...) nor a JSON file${hint}`,
  );
}
