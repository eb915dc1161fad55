// Budgets on measured metrics: a trial over budget is infeasible; it is kept and shown, and never on the front.
import { z } from "zod";

export const budgetSchema = z
  .strictObject({
    metric: z.string().min(1).describe("A metric's name, e.g. ttft_ms@1024:phone."),
    max: z.number().optional().describe("Largest value allowed."),
    min: z.number().optional().describe("Smallest value allowed."),
  })
  .refine(({ max, min }) => max !== undefined || min !== undefined, "a budget needs `max` or `min`")
  .refine(({ max, min }) => max === undefined || min === undefined || min <= max, "`min` is above `max`");
export type Budget = Readonly<z.infer<typeof budgetSchema>>;

interface Violation {
  readonly metric: string;
  readonly limit: "max" | "min";
  readonly bound: number;
  readonly value: number;
  /** Distance beyond the bound over the bound's size (over 1 where the bound is 0). */
  readonly relative: number;
}

export type Verdict =
  | { readonly state: "feasible" }
  | { readonly state: "infeasible"; readonly violations: readonly Violation[]; readonly total: number }
  /** Nothing violated, but these budgeted metrics were not measured: no verdict is guessed. */
  | { readonly state: "unmeasured"; readonly missing: readonly string[] };

/** Judges measured metrics. One violation decides, whatever else is missing. */
export function judge(budgets: readonly Budget[], metrics: Readonly<Record<string, number>>): Verdict {
  const violations: Violation[] = [];
  const missing: string[] = [];
  for (const { metric, max, min } of budgets) {
    const value = metrics[metric];
    if (value === undefined || Number.isNaN(value)) {
      missing.push(metric);
      continue;
    }
    if (max !== undefined && value > max) violations.push(violation(metric, "max", max, value));
    if (min !== undefined && value < min) violations.push(violation(metric, "min", min, value));
  }
  if (violations.length > 0) {
    return { state: "infeasible", violations, total: violations.reduce((sum, v) => sum + v.relative, 0) };
  }
  return missing.length > 0 ? { state: "unmeasured", missing } : { state: "feasible" };
}

function violation(metric: string, limit: "max" | "min", bound: number, value: number): Violation {
  return { metric, limit, bound, value, relative: Math.abs(value - bound) / (Math.abs(bound) || 1) };
}
