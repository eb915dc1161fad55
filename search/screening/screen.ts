// Which proposals need no measurement: those that a predictor fitted to this sweep's own measurements places wholly beyond a budget, with
// the interval's stated coverage, and those that resemble what ran out of memory or time. A prediction only ever spares a measurement.
import { type Layout, layoutId } from "../../candidates/layout.ts";
import type { Budget } from "../budgets.ts";
import type { Featurizer } from "../features.ts";
import { fitPredictor, MIN_MEASURED } from "../predictor/predictor.ts";
import { fitFeasibility } from "./feasibility.ts";

/** What became of a layout that was tried. */
export interface Tried {
  readonly layout: Layout;
  /** What was measured of it. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The limit it ran into, where it could not be measured. */
  readonly ranOut: boolean;
}

export interface ScreenContext {
  readonly budgets: readonly Budget[];
  readonly features: Featurizer<Layout>;
  /** Share of layouts whose value the interval holds. */
  readonly coverage: number;
  /** Chance to fit a device's memory and time limit below which a layout is not tried. */
  readonly leastChance: number;
  /** Context length that a metric was measured at; null for metrics that no predictor is made for. */
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
  /** Chance to be measured at all; null while nothing ran out of memory or time. */
  readonly chance: number | null;
  /** Why it need not be measured; null where it may be within all budgets. */
  readonly against: { readonly cause: "over-budget" | "runs-out"; readonly reason: string } | null;
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;
const short = (value: number): string =>
  Number.isInteger(value) ? `${value}` : String(Number(value.toPrecision(4)));

/** Null while too little was measured to foretell anything. Same trials, same answer, whatever their order. */
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
    // Too few to bound anything at this coverage: nothing is said rather than "between 0 and infinity".
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

/** Whether the nth (from 0) proposal with a verdict against it is measured all the same: a fixed share, evenly spread, early ones too. */
export const isAudit = (n: number, share: number): boolean =>
  Math.floor((n + 1) * share + 0.5) > Math.floor(n * share + 0.5);
