// The pick of the minimal-hybrid rule and its certainty: the rule is applied to draws of the layouts' true
// values, and a verdict needs the same result in 95% of the draws.
import { parameterCount } from "../../../candidates/cost.ts";
import { isWindowAttention, type Layout } from "../../../candidates/layout.ts";
import { formatMixer, formatPattern } from "../../../candidates/notation.ts";
import type { Rng } from "../../../candidates/space.ts";
import { attentionCount } from "../../../candidates/space.ts";
import { nonDominated, orient } from "../../../search/pareto.ts";
import { chiSquare, normal } from "../../../search/rng.ts";
import type { Choice } from "../../../search/selection/choice.ts";
import { select } from "../../../search/selection/select.ts";
import type { Objective } from "../../../search/strategy.ts";
import { SCORE_MARGIN } from "./margins.ts";
import { type Decision, LEVEL } from "./verdict.ts";

/**
 * Budgets of the rule, as a multiple of the published layout's values. LFM2's own budgets were not published.
 */
export const ROOM = 1.1;
const DRAWS = 200;
/** Multiples of the samples for which the needed minutes are estimated. */
const MORE_SAMPLES = [2, 4, 8, 16, 32];

/**
 * A value and its standard error. The error is of the logarithm for times and sizes, else in the metric's
 * unit.
 */
export interface Known {
  readonly value: number;
  readonly relative: boolean;
  readonly standardError: number;
  readonly degrees: number;
}

export interface RuleChoice {
  readonly id: string;
  readonly layout: Layout;
  readonly known: Readonly<Record<string, Known>>;
}

export interface RuleQuestion {
  readonly quality: Objective;
  /** Metrics whose budgets follow from the published layout. */
  readonly costs: readonly string[];
  /** Id of the published layout. */
  readonly published: string;
}

export interface RuleDecision extends Decision {
  /** Share of draws that pick each layout, the most frequent first; null: no layout is within the budgets. */
  readonly picks: readonly { readonly id: string | null; readonly share: number }[];
}

/**
 * Returns whether a layout has a few attention layers (more than one, fewer than half) among convolutions,
 * like the published one.
 */
export function isMinimalHybrid(layout: Layout): boolean {
  const count = attentionCount(layout);
  return count > 1 && count < layout.layers.length / 2 && !layout.layers.some(isWindowAttention);
}

function drawn({ value, relative, standardError, degrees }: Known, more: number, rng: Rng): number {
  if (standardError === 0) return value;
  const spread = Number.isFinite(degrees) ? Math.sqrt(chiSquare(degrees, rng) / degrees) : 1;
  const error = (standardError / Math.sqrt(more) / spread) * normal(rng);
  return relative ? value * Math.exp(error) : value + error;
}

/**
 * Returns the layout that the rule picks if these are the true values; null if no layout is within the
 * budgets.
 */
export function pick(
  choices: readonly RuleChoice[],
  values: readonly Readonly<Record<string, number>>[],
  { quality, costs, published }: RuleQuestion,
): string | null {
  const own = values[choices.findIndex(({ id }) => id === published)]!;
  const objectives: readonly Objective[] = [
    quality,
    ...costs.map((name): Objective => ({ name, direction: "min", unit: "" })),
  ];
  const front = new Set(nonDominated(values.map((metrics) => orient(metrics, objectives))));
  const { chosen } = select(
    choices.map(({ id, layout }, n): Choice => choiceFrom(id, layout, n, values[n]!, front.has(n))),
    {
      rule: "minimal-hybrid",
      objectives,
      quality,
      tolerance: SCORE_MARGIN,
      budgets: costs.map((metric) => ({ metric, max: ROOM * own[metric]! })),
    },
  );
  return chosen?.id ?? null;
}

/** Returns a choice whose values have no error, because a draw counts as true. */
const choiceFrom = (
  id: string,
  layout: Layout,
  trial: number,
  values: Readonly<Record<string, number>>,
  onFront: boolean,
): Choice => ({
  id,
  trial,
  pattern: formatPattern(layout),
  parameters: parameterCount(layout),
  attentionLayers: attentionCount(layout),
  mixerKinds: new Set(layout.layers.map(({ mixer }) => formatMixer(mixer))).size,
  onFront,
  chance: null,
  metrics: Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { value, low: value, high: value, marks: [] }]),
  ),
});

function picksOf(
  choices: readonly RuleChoice[],
  question: RuleQuestion,
  more: number,
  rng: Rng,
): ReadonlyMap<string | null, number> {
  const counts = new Map<string | null, number>();
  for (let n = 0; n < DRAWS; n++) {
    const values = choices.map(({ known }) =>
      Object.fromEntries(Object.entries(known).map(([name, one]) => [name, drawn(one, more, rng)])),
    );
    const id = pick(choices, values, question);
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Returns the decision: whether the rule picks a minimal hybrid, and its picks. */
export function decideRule(choices: readonly RuleChoice[], question: RuleQuestion, rng: Rng): RuleDecision {
  const layouts = new Map(choices.map(({ id, layout }) => [id, layout]));
  const verdictAt = (more: number): { verdict: Decision["verdict"]; picks: RuleDecision["picks"] } => {
    const counts = [...picksOf(choices, question, more, rng)].sort((a, b) => b[1] - a[1]);
    const share = (of: (id: string | null) => boolean): number =>
      counts.reduce((sum, [id, count]) => sum + (of(id) ? count : 0), 0) / DRAWS;
    const agrees = share((id) => id !== null && isMinimalHybrid(layouts.get(id)!));
    const contradicts = share((id) => id !== null && !isMinimalHybrid(layouts.get(id)!));
    return {
      verdict: agrees >= 1 - LEVEL ? "agrees" : contradicts >= 1 - LEVEL ? "contradicts" : "undecidable",
      picks: counts.map(([id, count]) => ({ id, share: count / DRAWS })),
    };
  };
  return {
    ...verdictAt(1),
    more: () => MORE_SAMPLES.find((times) => verdictAt(times).verdict !== "undecidable") ?? null,
  };
}
