// Reads a layout from a person's text: a name (lfm2-350m), the notation, a file (layout JSON, or a
// config.json of transformers), or the folder of such a config.json.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Layout, parseLayout } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { parseNotation } from "../../candidates/notation.ts";
import {
  isTransformersConfig,
  layoutOfTransformersConfig,
} from "../../candidates/transformers/read-config.ts";
import { suggestion } from "./config-errors.ts";
import { factsOf, weightsFormat } from "./model-files.ts";

/** The largest layout file that is read. */
const MAX_FILE_BYTES = 4 * 2 ** 20;

function refuseWeights(path: string): void {
  const format = weightsFormat(path);
  if (format === null) return;
  const instead =
    format === "GGUF"
      ? "time it with: edgefront measure FILE"
      : "give the config.json of its folder, or the folder";
  throw new InvalidInputError(
    "not-a-layout",
    `${path} holds the weights of a model (${format}), a layout is wanted here: ${instead}`,
  );
}

function readLayoutFile(path: string): Layout {
  refuseWeights(path);
  let data: unknown;
  try {
    if ((factsOf(path)?.size ?? 0) > MAX_FILE_BYTES) throw new RangeError("it is larger than any layout");
    data = JSON.parse(readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new InvalidInputError(
      "unreadable-layout",
      `cannot read the layout ${path}: ${whyUnreadable(cause)}`,
      { cause },
    );
  }
  try {
    return isTransformersConfig(data) ? layoutOfTransformersConfig(data) : parseLayout(data);
  } catch (cause) {
    if (!(cause instanceof InvalidInputError)) throw cause;
    throw new InvalidInputError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

function whyUnreadable(cause: unknown): string {
  if (cause instanceof SyntaxError)
    return "it is not JSON; give a layout JSON or a config.json of transformers";
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES" || code === "EPERM") return "not permitted";
  return message;
}

function readLayoutFolder(path: string): Layout {
  const config = join(path, "config.json");
  if (factsOf(config)?.isFile()) return readLayoutFile(config);
  throw new InvalidInputError(
    "unreadable-layout",
    `${path} is a folder without a config.json; name a file in it`,
  );
}

/**
 * Returns the layout that a text names.
 * @throws InvalidInputError with the nearest name, or the problem with the notation or the file.
 */
export function layoutFrom(text: string): Layout {
  const named = namedLayouts[text.toLowerCase()];
  if (named !== undefined) return named;
  const facts = factsOf(text);
  if (facts?.isDirectory()) return readLayoutFolder(text);
  if (facts !== undefined) return readLayoutFile(text);
  if (text.includes(":")) return parseNotation(text);
  if (/\.json$/i.test(text)) return readLayoutFile(text);
  const hint = suggestion(text, Object.keys(namedLayouts));
  throw new InvalidInputError(
    "unknown-layout",
    `"${text}" is neither a named layout nor a notation (v... d... f... : c3 g ...) nor a JSON file${hint}`,
  );
}
