// A trial over its budgets: the violated budgets as data, and a sentence that names them.
import type { Metric } from "../../profilers/device-metrics.ts";
import type { Budget } from "../../search/budgets.ts";
import { judge } from "../../search/judge.ts";
import type { OverBudget, TrialEnd } from "../store/trial-row.ts";

const round = (value: number): string =>
  Number.isInteger(value) ? `${value}` : String(Number(value.toPrecision(4)));

function sentenceOf({ violations, again }: OverBudget): string {
  const found = violations
    .map(({ metric, limit, bound, value }) => `${metric} is ${round(value)}, budget ${limit} ${round(bound)}`)
    .join("; ");
  return again === null ? found : `${found}, when it was ${again} once more`;
}

/** Returns the end of a trial whose metrics exceed a budget; null when they exceed none. */
export function budgetEnd(
  budgets: readonly Budget[],
  metrics: readonly Metric[],
  again: OverBudget["again"] = null,
): (TrialEnd & { readonly reason: string }) | null {
  const verdict = judge(budgets, Object.fromEntries(metrics.map(({ name, value }) => [name, value])));
  if (verdict.state !== "infeasible") return null;
  const violations = verdict.violations.map(({ metric, limit, bound, value }) => ({
    metric,
    limit,
    bound,
    value,
  }));
  const overBudget: OverBudget = { violations, again };
  return {
    state: "infeasible",
    cause: "over-budget",
    reason: sentenceOf(overBudget),
    violation: verdict.total,
    overBudget,
  };
}
