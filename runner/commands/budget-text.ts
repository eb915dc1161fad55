// Budgets on a command line: `ttft=300ms,memory=400MB,recall=0.9`. Names may be short, and a context or a
// device may be left out; the full name is found among the metrics of the sweep.
import { InvalidInputError } from "../../candidates/errors.ts";
import { type MetricKind, metricAliases } from "../../profilers/metrics/kinds.ts";
import { parseMetricName, taskOfScore } from "../../profilers/metrics/name.ts";
import { unitOf } from "../../profilers/metrics/units.ts";
import type { Budget } from "../../search/budgets.ts";
import { suggestion } from "../config/config-errors.ts";

const usage = (message: string): InvalidInputError => new InvalidInputError("bad-budget", message);

/** The metrics of a sweep, and the defaults for parts of a name that a budget leaves out. */
export interface BudgetContext {
  readonly known: ReadonlyMap<string, MetricKind>;
  /** Full names of the objectives, which are preferred when only the name of a task is written. */
  readonly objectives: readonly string[];
  readonly device: string | undefined;
}

const aliasOf = (written: string): string | undefined => {
  const alias = written.toLowerCase();
  return Object.hasOwn(metricAliases, alias) ? metricAliases[alias] : undefined;
};

/**
 * Returns the full name that a budget means. Of several contexts it takes the longest, which is the hardest.
 */
function metricMeant(text: string, { known, objectives, device }: BudgetContext): string {
  const { base: written, context, device: named } = parseMetricName(text);
  const base = aliasOf(written) ?? written;
  const place = named ?? device;
  const candidates = [...known.keys()].filter((name) => {
    const metric = parseMetricName(name);
    const sameBase = metric.base === base || taskOfScore(name) === base;
    return (
      sameBase &&
      (context === null || metric.context === context) &&
      (place === undefined || metric.device === null || metric.device === place)
    );
  });
  if (candidates.length === 0)
    throw usage(
      `this sweep does not measure "${text}"${suggestion(text, [...Object.keys(metricAliases), ...known.keys()])}`,
    );
  const longest = Math.max(...candidates.map((name) => parseMetricName(name).context ?? 0));
  const all = candidates.filter((name) => (parseMetricName(name).context ?? 0) === longest);
  const wanted = all.filter((name) => objectives.includes(name));
  const left = wanted.length === 1 ? wanted : all;
  if (left.length > 1)
    throw usage(
      `"${text}" is ambiguous: ${left.join(" or ")}; give one of them, as --budget ${left[0]}=VALUE`,
    );
  return left[0]!;
}

function boundMeant(text: string, name: string, unit: string): number {
  const match = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-z%/]*)$/.exec(text.trim());
  const { suffixes: known = {} } = unitOf(unit);
  const scale = match?.[2] === "" ? 1 : known[match?.[2] ?? ""];
  if (match === null || scale === undefined) {
    const suffixes = Object.keys(known);
    throw usage(
      `"${text}" is not a valid bound on ${name}; write a number${suffixes.length > 0 ? ` in ${unit}, or one with ${suffixes.join(", ")}` : ""}`,
    );
  }
  return Number(match[1]) * scale;
}

/**
 * Parses budgets, separated by commas: `name=bound` (in the metric's better direction), `name<=bound` or
 * `name>=bound`.
 * @throws InvalidInputError (`bad-budget`) with one line.
 */
export function parseBudgets(text: string, context: BudgetContext): readonly Budget[] {
  return text
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const match = /^([^<>=]+)(<=|>=|=)(.+)$/.exec(part.trim());
      if (match === null)
        throw usage(`"${part.trim()}" is not a budget; write name=bound, e.g. --budget ttft=300ms`);
      const metric = metricMeant(match[1]!.trim(), context);
      const { unit, direction } = context.known.get(metric)!;
      const bound = boundMeant(match[3]!, metric, unit);
      const most = match[2] === "<=" || (match[2] === "=" && direction === "min");
      return { metric, ...(most ? { max: bound } : { min: bound }) };
    });
}
