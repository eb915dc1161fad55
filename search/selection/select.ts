// Which layout to ship, which would be next, and why: rules over measured trials and budgets. The rules are in rules.ts.
import { type Budget, judge } from "../budgets.ts";
import { type Choice, type RuleName, type RuleOptions, round, rules } from "./rules.ts";

export interface SelectionOptions extends RuleOptions {
  readonly rule: RuleName;
}

export interface Selection {
  /** Null when nothing is feasible: `reasons` says what came nearest. */
  readonly chosen: Choice | null;
  readonly runnerUp: Choice | null;
  /** One sentence each: what was left out, what decided, by how much the runner-up lost. */
  readonly reasons: readonly string[];
}

export function select(choices: readonly Choice[], options: SelectionOptions): Selection {
  const { budgets, quality } = options;
  const reasons: string[] = [];
  const measured = choices.filter(({ metrics }) => Number.isFinite(metrics[quality.name]));
  if (measured.length < choices.length) {
    reasons.push(
      `${choices.length - measured.length} of ${choices.length} layouts have no measured ${quality.name}.`,
    );
  }
  const verdicts = measured.map((choice) => ({ choice, verdict: judge(budgets, choice.metrics) }));
  const feasible = verdicts.filter(({ verdict }) => verdict.state === "feasible").map(({ choice }) => choice);
  reasons.push(`${feasible.length} of ${measured.length} measured layouts meet ${describe(budgets)}.`);
  if (feasible.length === 0) {
    const nearest = verdicts
      .flatMap(({ choice, verdict }) => (verdict.state === "infeasible" ? [{ choice, verdict }] : []))
      .sort((a, b) => a.verdict.total - b.verdict.total)[0];
    if (nearest !== undefined) {
      const over = nearest.verdict.violations.map(
        ({ metric, limit, bound, value }) => `${metric} ${round(value)} against ${limit} ${round(bound)}`,
      );
      reasons.push(`The nearest is ${nearest.choice.id}: ${over.join(", ")}.`);
    }
    return { chosen: null, runnerUp: null, reasons };
  }
  const ranked = rules[options.rule].rank(feasible, options);
  reasons.push(...ranked.reasons);
  return { chosen: ranked.order[0] ?? null, runnerUp: ranked.order[1] ?? null, reasons };
}

function describe(budgets: readonly Budget[]): string {
  if (budgets.length === 0) return "the budgets (none were given)";
  const parts = budgets.flatMap(({ metric, max, min }) => [
    ...(max === undefined ? [] : [`${metric} <= ${round(max)}`]),
    ...(min === undefined ? [] : [`${metric} >= ${round(min)}`]),
  ]);
  return `the budgets ${parts.join(", ")}`;
}
