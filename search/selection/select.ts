// Selects the layout to ship and its runner-up, with reasons: one rule for the command, the page and the
// reproduction of a study. Only layouts on the front are chosen. rules.ts defines the rules.
import type { Budget } from "../budgets.ts";
import { type Choice, lossOf, round, said, verdictOf, within } from "./choice.ts";
import { type Criterion, equalAsMeasured, type RuleName, type RuleOptions, rules } from "./rules.ts";

export interface SelectionOptions extends RuleOptions {
  readonly rule: RuleName;
}

export interface Selection {
  /** Null when nothing is feasible. `reasons` then names the nearest layout. */
  readonly chosen: Choice | null;
  readonly runnerUp: Choice | null;
  /** The first layouts in the rule's order, the choice and the runner-up included. */
  readonly order: readonly Choice[];
  /** Number of layouts on the front within the budgets. */
  readonly feasible: number;
  /** Where none is within the budgets: the budget whose removal alone would admit the most, and how many. */
  readonly relax: { readonly metric: string; readonly admits: number } | null;
  /** One sentence each: what was excluded, what decided, by how much the runner-up lost. */
  readonly reasons: readonly string[];
}

/** Length of the order: enough for a choice, a runner-up and their replacements. */
const LISTED = 8;

/** The best by the criteria in turn, and the criterion on which each of the others lost. */
function pick(
  choices: readonly Choice[],
  criteria: readonly Criterion[],
): { readonly winner: Choice; readonly lost: ReadonlyMap<Choice, Criterion> } {
  const lost = new Map<Choice, Criterion>();
  let left = choices;
  for (const criterion of criteria) {
    if (left.length === 1) break;
    const { value, margin = () => 0 } = criterion;
    const best = left.reduce((a, b) => (value(b) < value(a) ? b : a));
    const behind = (choice: Choice): boolean => value(choice) - value(best) > margin(best, choice);
    for (const choice of left) if (behind(choice)) lost.set(choice, criterion);
    left = left.filter((choice) => !behind(choice));
  }
  return { winner: left[0]!, lost };
}

/**
 * Chooses among the layouts on the front. Other layouts may be passed too. The order of `choices` does not
 * matter.
 */
export function select(choices: readonly Choice[], options: SelectionOptions): Selection {
  const { budgets, quality } = options;
  const rule = rules[options.rule];
  const reasons: string[] = [];
  const front = choices.filter(({ onFront }) => onFront).toSorted((a, b) => a.trial - b.trial);
  const measured = front.filter((choice) => Number.isFinite(lossOf(choice, quality)));
  if (measured.length < front.length)
    reasons.push(
      `${front.length - measured.length} of ${front.length} layouts have no measured ${quality.name}.`,
    );
  const feasible = measured.filter((choice) => within(choice, budgets));
  reasons.push(
    `${feasible.length} of ${measured.length} layouts on the front ${feasible.length === 1 ? "meets" : "meet"} ${describe(budgets)}.`,
  );
  if (feasible.length === 0) {
    reasons.push(...nearest(measured, budgets));
    return {
      chosen: null,
      runnerUp: null,
      order: [],
      feasible: 0,
      relax: relaxed(measured, budgets),
      reasons,
    };
  }
  const criteria = rule.criteria(feasible, options);
  const order: Choice[] = [];
  let left = feasible;
  let lost: ReadonlyMap<Choice, Criterion> | null = null;
  while (left.length > 0 && order.length < LISTED) {
    const picked = pick(left, criteria);
    order.push(picked.winner);
    lost ??= picked.lost;
    left = left.filter((choice) => choice !== picked.winner);
  }
  const [chosen, runnerUp] = [order[0]!, order[1] ?? null];
  reasons.push(rule.reason(chosen, feasible, options), ...against(chosen, runnerUp, lost!, options));
  return { chosen, runnerUp, order, feasible: feasible.length, relax: null, reasons };
}

/** The criterion that separates the runner-up from the choice. */
function against(
  chosen: Choice,
  runnerUp: Choice | null,
  lost: ReadonlyMap<Choice, Criterion>,
  { objectives }: SelectionOptions,
): readonly string[] {
  if (runnerUp === null) return ["There is no runner-up."];
  const { name, shown, lastResort } = lost.get(runnerUp)!;
  const figures = `${shown(runnerUp)} against ${shown(chosen)}`;
  const named = `${runnerUp.id} (${runnerUp.pattern})`;
  const equal = equalAsMeasured(chosen, runnerUp, objectives);
  if (lastResort)
    return [
      equal
        ? `The runner-up, ${named}, is equal as far as measured: no objective tells the two apart beyond its error. What decided is ${name}: ${figures}.`
        : `The runner-up, ${named}, loses on ${name}, as a last resort: ${figures}.`,
    ];
  return [
    `The runner-up, ${named}, loses on ${name}: ${figures}.`,
    ...(equal ? ["As far as measured the two are equal in every objective, within the errors."] : []),
  ];
}

/** The layout that violates the budgets least, and by how much. */
function nearest(measured: readonly Choice[], budgets: readonly Budget[]): readonly string[] {
  const found = measured
    .flatMap((choice) => {
      const verdict = verdictOf(choice, budgets);
      return verdict.state === "infeasible" ? [{ choice, verdict }] : [];
    })
    .sort((a, b) => a.verdict.total - b.verdict.total)[0];
  if (found === undefined) return [];
  const { choice, verdict } = found;
  const over = verdict.violations.map(
    ({ metric, limit, bound }) =>
      `${metric} ${said(choice.metrics[metric]!)} against ${limit} ${round(bound)}`,
  );
  return [`The nearest is ${choice.id}: ${over.join(", ")}.`];
}

function relaxed(measured: readonly Choice[], budgets: readonly Budget[]): Selection["relax"] {
  const without = budgets.map(({ metric }) => {
    const rest = budgets.filter((budget) => budget.metric !== metric);
    return { metric, admits: measured.filter((choice) => within(choice, rest)).length };
  });
  const best = without.sort((a, b) => b.admits - a.admits)[0];
  return best !== undefined && best.admits > 0 ? best : null;
}

function describe(budgets: readonly Budget[]): string {
  if (budgets.length === 0) return "the budgets (none were given)";
  const parts = budgets.flatMap(({ metric, max, min }) => [
    ...(max === undefined ? [] : [`${metric} <= ${round(max)}`]),
    ...(min === undefined ? [] : [`${metric} >= ${round(min)}`]),
  ]);
  return `the budgets ${parts.join(", ")}`;
}
