// Judges whether values keep to budgets. Separate from budgets.ts, so that the page's script can judge
// without the schema of a budget.
import type { Budget } from "./budgets.ts";

interface Violation {
  readonly metric: string;
  readonly limit: "max" | "min";
  readonly bound: number;
  readonly value: number;
  /** Distance beyond the bound, divided by the size of the bound (by 1 where the bound is 0). */
  readonly relative: number;
}

export type Verdict =
  | { readonly state: "feasible" }
  | { readonly state: "infeasible"; readonly violations: readonly Violation[]; readonly total: number }
  /** No violation, but these budgeted metrics were not measured. A verdict is never guessed. */
  | { readonly state: "unmeasured"; readonly missing: readonly string[] };

/** Judges measured metrics. One violation decides, even if other metrics are missing. */
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
