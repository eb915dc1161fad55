// Which layout, under these bounds: pure functions over the page's data. The page's sliders and any other caller use the same.
import type { View } from "../page/view.ts";

export interface Bound {
  /** Index into view.metrics. */
  readonly metric: number;
  /** Worst value allowed: a maximum where less is better, a minimum where more is. */
  readonly worst: number;
}

/** How to choose among the layouts within all bounds. */
export type Rule =
  | { readonly kind: "best"; readonly metric: number }
  /** Fewest attention layers among those whose quality is within `tolerance` (relative) of the best. */
  | { readonly kind: "minimal-hybrid"; readonly metric: number; readonly tolerance: number };

export interface Decision {
  /** Trials within all bounds, best first by the rule; front and published layouts only. */
  readonly order: readonly number[];
  /** Where nothing is left: the bound whose removal alone would admit the most, and how many. */
  readonly relax: { readonly metric: number; readonly admits: number } | null;
}

const better = (view: View, metric: number): 1 | -1 => (view.metrics[metric]!.direction === "max" ? -1 : 1);

export function within(view: View, trial: number, bounds: readonly Bound[]): boolean {
  return bounds.every(({ metric, worst }) => {
    const value = view.metrics[metric]!.value[trial];
    return value != null && (value - worst) * better(view, metric) <= 0;
  });
}

/** Attention layers of any kind, read from the pattern. */
export const attentionLayers = (view: View, trial: number): number =>
  view.trials[trial]!.pattern.split(" ").filter((token) => /^[gs]/.test(token)).length;

/** Kinds of operators in the pattern: taps and windows count apart. */
const operatorKinds = (view: View, trial: number): number =>
  new Set(view.trials[trial]!.pattern.split(" ").map((token) => token.replace(/[(~].*$/, ""))).size;

/** Of the front, or published and complete. */
export const eligible = (view: View): number[] =>
  view.trials.flatMap(({ label, published, state }, index) =>
    label !== null || (published !== null && state === "complete") ? [index] : [],
  );

export function decide(view: View, bounds: readonly Bound[], rule: Rule): Decision {
  const candidates = eligible(view).filter((trial) => view.metrics[rule.metric]?.value[trial] != null);
  const left = candidates.filter((trial) => within(view, trial, bounds));
  if (left.length === 0) {
    const without = bounds.map(({ metric }) => ({
      metric,
      admits: candidates.filter((trial) =>
        within(
          view,
          trial,
          bounds.filter((b) => b.metric !== metric),
        ),
      ).length,
    }));
    const best = without.sort((a, b) => b.admits - a.admits)[0];
    return { order: [], relax: best !== undefined && best.admits > 0 ? best : null };
  }
  const value = (trial: number): number =>
    view.metrics[rule.metric]!.value[trial]! * better(view, rule.metric);
  const byValue = (a: number, b: number): number => value(a) - value(b) || a - b;
  if (rule.kind === "best") return { order: left.sort(byValue), relax: null };

  const best = Math.min(...left.map(value));
  const close = (trial: number): boolean => value(trial) - best <= Math.abs(best) * rule.tolerance;
  const order = left.sort(
    (a, b) =>
      Number(close(b)) - Number(close(a)) ||
      (close(a) ? attentionLayers(view, a) - attentionLayers(view, b) : 0) ||
      (close(a) ? operatorKinds(view, a) - operatorKinds(view, b) : 0) ||
      byValue(a, b),
  );
  return { order, relax: null };
}
