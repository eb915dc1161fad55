// Decides which proposals need no measurement. The predictor, fitted to this sweep's measurements, is
// confident (at the stated coverage) that they exceed a budget; or they resemble layouts that ran out of
// memory or time. A prediction only ever skips a measurement.
import { type Layout, layoutId } from "../../candidates/layout.ts";
import type { Budget } from "../budgets.ts";
import type { Featurizer } from "../features.ts";
import { fitPredictor, MIN_MEASURED } from "../predictor/predictor.ts";
import { fitFeasibility } from "./feasibility.ts";

/** A layout that was tried, and its result. */
export interface Tried {
  readonly layout: Layout;
  /** Its measured metrics. */
  readonly metrics: Readonly<Record<string, number>>;
  /** True if it could not be measured because memory or time ran out. */
  readonly ranOut: boolean;
}

export interface ScreenContext {
  readonly budgets: readonly Budget[];
  readonly features: Featurizer<Layout>;
  /** Share of layouts whose value lies in the interval. */
  readonly coverage: number;
  /** A layout is not tried if its chance to fit a device's memory and time limits is below this. */
  readonly leastChance: number;
  /** Returns the context length at which a metric was measured; null for metrics without a predictor. */
  contextOf(metric: string): number | null;
}

export interface Prediction {
  readonly metric: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Foresight {
  readonly predictions: readonly Prediction[];
  /** Chance that it can be measured at all; null while too few layouts ran out of memory or time. */
  readonly chance: number | null;
  /** Reason why no measurement is needed; null where the layout may be within all budgets. */
  readonly against: { readonly cause: "over-budget" | "runs-out"; readonly reason: string } | null;
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;
const short = (value: number): string =>
  Number.isInteger(value) ? `${value}` : String(Number(value.toPrecision(4)));

/**
 * Returns the predictions for a layout as a function; null while too little was measured. The same trials
 * give the same answer in any order.
 */
export function fitScreen(
  tried: readonly Tried[],
  context: ScreenContext,
): ((layout: Layout) => Foresight) | null {
  const { budgets, features, coverage, leastChance } = context;
  const fitted = budgets.flatMap((budget) => {
    const at = context.contextOf(budget.metric);
    if (at === null) return [];
    const measured = tried.flatMap(({ layout, metrics }) => {
      const value = metrics[budget.metric];
      return value !== undefined && value > 0 ? [{ layout, value }] : [];
    });
    if (measured.length < MIN_MEASURED) return [];
    const { predict } = fitPredictor(measured, { features, context: at, coverage });
    // Too few layouts for a bound at this coverage. No statement is better than "between 0 and infinity".
    return Number.isFinite(predict(measured[0]!.layout).high) ? [{ budget, predict }] : [];
  });
  const ordered = [...tried].sort((a, b) => (layoutId(a.layout) < layoutId(b.layout) ? -1 : 1));
  const chanceOf = fitFeasibility(
    ordered.map(({ layout, ranOut }) => ({ features: features.features(layout), ranOut })),
    features.groups,
  );
  if (fitted.length === 0 && chanceOf === null) return null;

  return (layout) => {
    const against: string[] = [];
    const predictions = fitted.map(({ budget: { metric, max, min }, predict }) => {
      const { value, low, high } = predict(layout);
      const said = `${metric} is predicted as ${short(value)} (${percent(coverage)}: ${short(low)} to ${short(high)})`;
      if (max !== undefined && low > max) against.push(`${said}, budget max ${short(max)}`);
      if (min !== undefined && high < min) against.push(`${said}, budget min ${short(min)}`);
      return { metric, value, low, high };
    });
    const chance = chanceOf?.(features.features(layout)) ?? null;
    if (against.length > 0)
      return { predictions, chance, against: { cause: "over-budget", reason: against.join("; ") } };
    const runsOut = chance !== null && chance < leastChance;
    const reason = `its chance to fit memory and time limits is predicted as ${percent(chance ?? 1)}, below ${percent(leastChance)}`;
    return { predictions, chance, against: runsOut ? { cause: "runs-out", reason } : null };
  };
}

/**
 * Decides whether the nth (from 0) rejected proposal is measured anyway, as an audit: a fixed share, evenly
 * spread, early ones too.
 */
export const isAudit = (n: number, share: number): boolean =>
  Math.floor((n + 1) * share + 0.5) > Math.floor(n * share + 0.5);
