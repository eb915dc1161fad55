// Chooses a layout under the page's bounds, as budgets of the selection rule that `edgefront select` uses
// too.
import type { Choice } from "../../search/selection/choice.ts";
import type { RuleName } from "../../search/selection/rules.ts";
import { type Selection, type SelectionOptions, select } from "../../search/selection/select.ts";
import type { View } from "../page/view.ts";

export interface Bound {
  /** Index into view.metrics. */
  readonly metric: number;
  /** Worst value allowed: a maximum where less is better, a minimum where more is. */
  readonly worst: number;
}

/** The rule that chooses among the layouts within all bounds. */
export interface Rule {
  readonly name: RuleName;
  /** Index into view.objectives of the objective that stands for quality. */
  readonly quality: number;
  readonly tolerance: number;
}

export interface Decision extends Pick<Selection, "feasible" | "reasons"> {
  /** Trials (indices) within all bounds, best first by the rule; only the first of those on the front. */
  readonly order: readonly number[];
  /** Without any layout: the bound that alone excludes the most layouts, and their number. */
  readonly relax: { readonly metric: number; readonly admits: number } | null;
}

/** The layouts to choose from, by index into view.trials. Cached per view. */
const choices = new WeakMap<View, ReadonlyMap<number, Choice>>();

function choicesIn(view: View): ReadonlyMap<number, Choice> {
  const known = choices.get(view);
  if (known !== undefined) return known;
  const places = new Map(view.trials.map(({ number }, index) => [number, index]));
  const made = new Map(view.choices.map((choice) => [places.get(choice.trial)!, choice]));
  choices.set(view, made);
  return made;
}

/** Returns the layout of a trial for the selection rule; undefined where it cannot be chosen. */
export const choiceAt = (view: View, trial: number): Choice | undefined => choicesIn(view).get(trial);

/**
 * Returns the value that the rule uses. For a layout that cannot be chosen, it is the drawn value, with five
 * digits.
 */
export const valueAt = (view: View, trial: number, metric: number): number | null => {
  const { key, value } = view.metrics[metric]!;
  return choiceAt(view, trial)?.metrics[key]?.value ?? value[trial] ?? null;
};

/** Returns true if a trial keeps to all bounds. A missing value breaks a bound. */
export function within(view: View, trial: number, bounds: readonly Bound[]): boolean {
  return bounds.every(({ metric, worst }) => {
    const value = valueAt(view, trial, metric);
    if (value === null) return false;
    return view.metrics[metric]!.direction === "max" ? value >= worst : value <= worst;
  });
}

/**
 * Returns the layouts to choose from: the front. A published layout off the front is shown for comparison
 * only.
 */
export const eligible = (view: View): number[] => [...choicesIn(view).keys()].sort((a, b) => a - b);

const budgetOf = (view: View, { metric, worst }: Bound): SelectionOptions["budgets"][number] => {
  const { key, direction } = view.metrics[metric]!;
  return direction === "max" ? { metric: key, min: worst } : { metric: key, max: worst };
};

/** Returns the decision of a rule under these bounds. */
export function decide(view: View, bounds: readonly Bound[], { name, quality, tolerance }: Rule): Decision {
  const { order, feasible, relax, reasons } = select(view.choices, {
    rule: name,
    budgets: bounds.map((bound) => budgetOf(view, bound)),
    objectives: view.objectives.map(({ key, direction, unit }) => ({ name: key, direction, unit })),
    quality: { ...view.objectives[quality]!, name: view.objectives[quality]!.key },
    tolerance,
  });
  const places = new Map(view.trials.map(({ number }, index) => [number, index]));
  return {
    order: order.map(({ trial }) => places.get(trial)!),
    feasible,
    relax: relax && {
      metric: view.metrics.findIndex(({ key }) => key === relax.metric),
      admits: relax.admits,
    },
    reasons,
  };
}
