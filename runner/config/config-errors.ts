// Turns zod's issues into one line: place, problem, and for an unknown key the nearest known one.
import { distance } from "fastest-levenshtein";
import type { z } from "zod";
import { plainIssue, tellingIssue } from "../../candidates/issues.ts";

type Shape = {
  shape?: Record<string, z.ZodType>;
  def?: { innerType?: z.ZodType; element?: z.ZodType; valueType?: z.ZodType };
};

/**
 * The schema that belongs to a path, through defaults, optionals, arrays and records; null when there is
 * none.
 */
function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | null {
  let current: Shape = schema as Shape;
  const unwrap = (): void => {
    while (current.def?.innerType) current = current.def.innerType as Shape;
  };
  for (const key of path) {
    unwrap();
    const next = current.shape?.[String(key)] ?? current.def?.element ?? current.def?.valueType;
    if (next === undefined) return null;
    current = next as Shape;
  }
  unwrap();
  return current as z.ZodType;
}

/** Returns the nearest of `known`, if the word may be a misspelling of it; else null. */
export function nearest(word: string, known: readonly string[]): string | null {
  const ranked = known
    .map((candidate) => ({ candidate, d: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.d - b.d);
  const best = ranked[0];
  return best !== undefined && best.d <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : null;
}

/** Returns `; did you mean "x"?`, `; known: a, b, c`, or an empty text. */
export function suggestion(word: string, known: readonly string[]): string {
  const best = nearest(word, known);
  if (best !== null) return `; did you mean "${best}"?`;
  return known.length > 0 ? `; known: ${known.join(", ")}` : "";
}

/** Returns one line for the most informative issue of a failed parse. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, where = ""): string {
  const { issue, path } = tellingIssue(error);
  const full = [where, path.join(".")].filter(Boolean).join(".");
  const prefix = full === "" ? "" : `${full}: `;
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0]!;
    const shape = (schemaAt(schema, path) as Shape | null)?.shape ?? {};
    return `${prefix}unknown key "${key}"${suggestion(key, Object.keys(shape))}`;
  }
  return `${prefix}${plainIssue(issue)}`;
}
