// Rephrases zod's issues in plain words: "must be at least 1" rather than "Too small: expected number to be
// >=1".
import type { z } from "zod";

type Issue = z.core.$ZodIssue;

const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  nan: "a number",
  string: "text",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "a group of keys",
  record: "a group of keys",
  null: "null",
};
const typeName = (type: string): string => TYPES[type] ?? type;

const shown = (value: unknown): string => (typeof value === "string" ? `"${value}"` : String(value));
const items = (n: number | bigint, one: string): string => `${n} ${one}${Number(n) === 1 ? "" : "s"}`;

/** Limits in words: `at least 3`, `more than 0`, `at most 5 characters`, ... */
function bound(issue: Extract<Issue, { code: "too_small" | "too_big" }>): string {
  const small = issue.code === "too_small";
  const limit = small ? issue.minimum : issue.maximum;
  const exact = issue.exact === true;
  if (issue.origin === "string" || issue.origin === "array" || issue.origin === "set") {
    const unit = issue.origin === "string" ? "character" : "item";
    return `must have ${exact ? "exactly" : small ? "at least" : "at most"} ${items(limit, unit)}`;
  }
  if (issue.inclusive === false) return `must be ${small ? "more" : "less"} than ${limit}`;
  return `must be ${exact ? "exactly" : small ? "at least" : "at most"} ${limit}`;
}

function typeText(issue: Extract<Issue, { code: "invalid_type" }>): string {
  const received = /received (.+)$/.exec(issue.message)?.[1];
  const wanted = typeName(issue.expected);
  if (received === undefined || received === "NaN" || received === issue.expected) return `must be ${wanted}`;
  if (received === "undefined") return `is missing; it must be ${wanted}`;
  return `must be ${wanted}, not ${received === "number" && issue.expected === "int" ? "a fraction" : typeName(received)}`;
}

/** The issue of the union's branch that matched furthest; null where no branch tells more than the union. */
function nearestBranch(issue: Extract<Issue, { code: "invalid_union" }>): Issue | null {
  const [best] = issue.errors
    .map((branch) => branch.toSorted((a, b) => b.path.length - a.path.length)[0])
    .filter((inner) => inner !== undefined && inner.path.length > 0)
    .toSorted((a, b) => b!.path.length - a!.path.length);
  return best ?? null;
}

/** Returns one issue as text, without its path. Messages that a schema states itself pass unchanged. */
export function plainIssue(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return /^Invalid input/.test(issue.message) ? typeText(issue) : issue.message;
    case "too_small":
    case "too_big":
      return /^Too (small|big)/.test(issue.message) ? bound(issue) : issue.message;
    case "invalid_value":
      if (!/^Invalid (option|input)/.test(issue.message)) return issue.message;
      return `must be ${issue.values.length === 1 ? "" : "one of "}${issue.values.map(shown).join(", ")}`;
    case "not_multiple_of":
      return /^Invalid number/.test(issue.message) ? `must be a multiple of ${issue.divisor}` : issue.message;
    case "unrecognized_keys":
      return `unknown key${issue.keys.length === 1 ? "" : "s"} ${issue.keys.map(shown).join(", ")}`;
    case "invalid_union": {
      // zod's types do not have the accepted values of a discriminated union yet.
      const { options } = issue as { readonly options?: readonly unknown[] };
      if (options !== undefined) return `must be one of ${options.map(shown).join(", ")}`;
      if (!/^Invalid input/.test(issue.message)) return issue.message;
      const types = issue.errors.flatMap((branch) =>
        branch.length === 1 && branch[0]!.code === "invalid_type" && branch[0]!.path.length === 0
          ? [typeName(branch[0]!.expected)]
          : [],
      );
      if (types.length > 0 && types.length === issue.errors.length)
        return `must be ${[...new Set(types)].join(" or ")}`;
      return "is none of the forms that are accepted here";
    }
    case "invalid_key":
      return `is not an allowed name: ${issue.issues.map(plainIssue).join("; ")}`;
    default:
      return issue.message
        .replace(/^Invalid (input|string): /, "")
        .replace(/^Invalid input$/, "is not valid");
  }
}

/** Returns the most informative issue of a failed parse, and its path. */
export function tellingIssue(error: { readonly issues: readonly Issue[] }): {
  readonly issue: Issue;
  readonly path: readonly PropertyKey[];
} {
  // A misspelt key is also reported as a missing one. The misspelling is the more helpful message.
  let issue = error.issues.find(({ code }) => code === "unrecognized_keys") ?? error.issues[0]!;
  let path = issue.path;
  while (issue.code === "invalid_union") {
    const inner = nearestBranch(issue);
    if (inner === null) break;
    [issue, path] = [inner, [...path, ...inner.path]];
  }
  return { issue, path };
}

/** Returns the most informative issue as one line: `path: text`. */
export function issueText(error: { readonly issues: readonly Issue[] }): string {
  const { issue, path } = tellingIssue(error);
  return path.length === 0 ? plainIssue(issue) : `${path.join(".")}: ${plainIssue(issue)}`;
}
