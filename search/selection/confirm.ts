// Tests whether a choice holds when it is measured and trained again. The choice was the best of many noisy
// values, so its values are biased. New values are unbiased if nothing was decided by them. Hence two stages:
// `check` decides, `report` is reported. Only decisions are here. The caller measures, so that simulations
// decide by the same code.
import { tCdf, tQuantile } from "../../profilers/statistics/student.ts";
import type { Budget } from "../budgets.ts";
import type { Estimate, Scale } from "../noise/estimate.ts";
import { type Choice, round, within } from "./choice.ts";
import { type SelectionOptions, select } from "./select.ts";

export type FreshEstimate = Estimate & { readonly scale: Scale };

export type FreshMetrics = Readonly<Record<string, FreshEstimate>>;

/**
 * Result of measuring and training a layout again: values of the new samples alone, or the reason why there
 * are none.
 */
export type Fresh = { readonly metrics: FreshMetrics } | { readonly fault: string };

/** `check`: samples that decide; `report`: samples that are reported; `both`: all of them. */
export type Stage = "check" | "report" | "both";

export interface ConfirmOptions extends SelectionOptions {
  /**
   * Budgets that a choice has to keep, those of the sweep included. `budgets` are those that the rule chooses
   * under.
   */
  readonly kept: readonly Budget[];
  /** Limit on how often a rejected choice is replaced. */
  readonly replacements: number;
}

export interface BudgetChance extends Budget {
  /** Chance that the true value keeps to the budget; null where the error is unknown. */
  readonly chance: number | null;
}

export interface Confirmed {
  readonly choice: Choice;
  /** Values of samples that decided nothing. */
  readonly fresh: Fresh;
  /** Chances computed from all new samples. */
  readonly budgets: readonly BudgetChance[];
}

interface Rejected {
  readonly choice: Choice;
  readonly reason: string;
}

export interface Confirmation {
  /** The first choice that survived; null where none did. */
  readonly chosen: Confirmed | null;
  readonly runnerUp: Confirmed | null;
  /** Choices that did not survive, in the rule's order, with reasons. */
  readonly rejected: readonly Rejected[];
  /** True if none survived and the rule has further layouts to try. */
  readonly left: boolean;
}

interface Objection {
  readonly reason: string;
  /** The budget in doubt, if any. */
  readonly budget?: Budget;
}

/** A choice that keeps its budgets with a smaller chance is replaced. */
export const SURE = 0.95;
/**
 * Confidence that the runner-up has better quality before it takes the place. High, so that an equally good
 * choice is rarely replaced.
 */
const CLEARLY = 0.995;
/** With these degrees of freedom the t distribution is the normal one. Used where nothing was estimated. */
const MANY_DEGREES = 1e6;

/**
 * Returns the chance that the true value keeps to a budget; null where it was not measured or its error is
 * unknown.
 */
export function chanceWithin(known: FreshEstimate | undefined, { min, max }: Budget): number | null {
  if (known === undefined || known.standardError === null) return null;
  const { value, standardError, degrees, scale } = known;
  if (standardError === 0)
    return Number((max === undefined || value <= max) && (min === undefined || value >= min));
  const on = (x: number): number =>
    scale === "difference" || scale === "exact" ? x : x > 0 ? Math.log(x) : Number.NEGATIVE_INFINITY;
  const below = (bound: number): number => {
    const distance = (on(bound) - on(value)) / standardError;
    return Number.isFinite(distance) ? tCdf(distance, Math.min(degrees, MANY_DEGREES)) : Number(distance > 0);
  };
  return Math.max(0, (max === undefined ? 1 : below(max)) - (min === undefined ? 0 : below(min)));
}

/**
 * Returns the chance to keep all of them, whatever their dependence (Bonferroni); null where one is unknown.
 */
export const chanceOfAll = (budgets: readonly BudgetChance[]): number | null =>
  budgets.some(({ chance }) => chance === null)
    ? null
    : Math.max(0, 1 - budgets.reduce((sum, { chance }) => sum + (1 - chance!), 0));

/** Returns a chance as text, e.g. `97%`. Rounding never produces 0% or 100%. */
export const shownChance = (chance: number | null): string => {
  if (chance === null) return "unknown";
  if (chance > 0.995 && chance < 1) return ">99%";
  if (chance < 0.005 && chance > 0) return "<1%";
  return `${Math.round(100 * chance)}%`;
};

const chancesOf = (fresh: Fresh, kept: readonly Budget[]): readonly BudgetChance[] =>
  kept.map((budget) => ({
    ...budget,
    chance: "fault" in fresh ? null : chanceWithin(fresh.metrics[budget.metric], budget),
  }));

/** The objection to a choice by its budgets; null where there is none. */
function overBudget(fresh: Fresh, kept: readonly Budget[]): Objection | null {
  if ("fault" in fresh) return { reason: fresh.fault };
  const chances = chancesOf(fresh, kept);
  const all = chanceOfAll(chances);
  if (all !== null && all >= SURE) return null;
  const worst = chances.reduce((a, b) => ((b.chance ?? -1) < (a.chance ?? -1) ? b : a));
  const bounds = [
    ...(worst.max === undefined ? [] : [`at most ${round(worst.max)}`]),
    ...(worst.min === undefined ? [] : [`at least ${round(worst.min)}`]),
  ].join(", ");
  const known = fresh.metrics[worst.metric];
  const value = known === undefined ? "was not measured" : `is ${round(known.value)} in new measurements`;
  const { chance: _, ...budget } = worst;
  return {
    reason: `${worst.metric} ${value}, budget ${bounds}: its chance to be within is ${shownChance(worst.chance)}, not ${shownChance(SURE)}`,
    budget,
  };
}

/**
 * The objection that the runner-up has clearly better quality. Rules decide by quality once layouts are
 * within the budgets.
 */
function clearlyWorse(
  own: Fresh,
  second: Fresh | undefined,
  secondId: string,
  { quality, tolerance, rule }: ConfirmOptions,
): Objection | null {
  // A rule that weighs quality against budgets gives up quality deliberately.
  if (second === undefined || "fault" in own || "fault" in second || rule === "budget-weighted") return null;
  const [a, b] = [own.metrics[quality.name], second.metrics[quality.name]];
  if (a === undefined || b === undefined || a.standardError === null || b.standardError === null) return null;
  const logarithmic = a.scale === "ratio" && a.value > 0 && b.value > 0;
  const on = (x: number): number => (logarithmic ? Math.log(x) : x);
  const behind = (quality.direction === "min" ? 1 : -1) * (on(a.value) - on(b.value));
  const free = rule !== "minimal-hybrid" ? 0 : logarithmic ? tolerance / b.value : tolerance;
  const degrees = Math.min(a.degrees, b.degrees, MANY_DEGREES);
  const error = tQuantile(CLEARLY, degrees) * Math.hypot(a.standardError, b.standardError);
  if (!(behind - free > error)) return null;
  return {
    reason: `${quality.name} is ${round(a.value)} in new measurements, clearly worse than the runner-up's (${secondId}: ${round(b.value)})`,
  };
}

/** True if the sweep found `a` further inside a budget than `b`. */
function furtherInside(a: Choice, b: Choice, { metric, max }: Budget): boolean {
  const [own, other] = [a.metrics[metric]?.value, b.metrics[metric]?.value];
  if (own === undefined || other === undefined) return true;
  return max === undefined ? own > other : own < other;
}

/**
 * Has the rule's choice and its runner-up measured and trained again. A choice that does not survive is
 * replaced by the next in the rule's order, as often as the options allow. Layouts that the sweep measured no
 * further inside a budget than a failed one are skipped. `measure` gets a pair and a stage; it must return
 * the same values again for a pair that it has measured.
 */
export async function confirmChoice(
  choices: readonly Choice[],
  options: ConfirmOptions,
  measure: (pair: readonly Choice[], stage: Stage) => Promise<ReadonlyMap<string, Fresh>>,
): Promise<Confirmation> {
  const rejected: Rejected[] = [];
  const seen = new Set<Choice>();
  const none = (left: boolean): Confirmation => ({ chosen: null, runnerUp: null, rejected, left });
  let left = choices;
  for (;;) {
    const { chosen, runnerUp } = select(left, options);
    if (chosen === null) return none(false);
    if (rejected.length > options.replacements) return none(true);
    const pair = runnerUp === null ? [chosen] : [chosen, runnerUp];
    for (const choice of pair) seen.add(choice);
    const checked = await measure(pair, "check");
    let objection =
      overBudget(checked.get(chosen.id)!, options.kept) ??
      clearlyWorse(
        checked.get(chosen.id)!,
        runnerUp === null ? undefined : checked.get(runnerUp.id),
        runnerUp?.id ?? "",
        options,
      );
    if (objection === null) {
      const reported = await measure(pair, "report");
      const both = await measure(pair, "both");
      objection = faultIn(reported.get(chosen.id)!) ?? overBudget(both.get(chosen.id)!, options.kept);
      if (objection === null) {
        const confirmed = (choice: Choice): Confirmed => ({
          choice,
          fresh: reported.get(choice.id)!,
          budgets: chancesOf(both.get(choice.id)!, options.kept),
        });
        return {
          chosen: confirmed(chosen),
          runnerUp: runnerUp && confirmed(runnerUp),
          rejected,
          left: false,
        };
      }
    }
    const { budget, reason } = objection;
    const passed = left.filter(
      (choice) => budget !== undefined && !seen.has(choice) && !furtherInside(choice, chosen, budget),
    );
    const over = passed.filter((choice) => choice.onFront && within(choice, options.budgets)).length;
    const skipped =
      over === 0
        ? ""
        : `; ${over} that the sweep measured no further within it ${over === 1 ? "is" : "are"} passed over`;
    rejected.push({ choice: chosen, reason: `${reason}${skipped}` });
    left = left.filter((choice) => choice !== chosen && !passed.includes(choice));
  }
}

const faultIn = (fresh: Fresh): Objection | null => ("fault" in fresh ? { reason: fresh.fault } : null);
