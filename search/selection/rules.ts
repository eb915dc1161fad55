// The selection rules: each orders feasible choices, best first, and says what decided. A new rule is a line in the table.
import type { Layout } from "../../candidates/layout.ts";
import { formatMixer, formatPattern } from "../../candidates/notation.ts";
import { attentionCount } from "../../candidates/space.ts";
import type { Budget } from "../budgets.ts";
import type { Objective } from "../strategy.ts";

/** A measured trial to choose from. */
export interface Choice {
  readonly id: string;
  readonly layout: Layout;
  readonly metrics: Readonly<Record<string, number>>;
  /** Half-widths of the metrics' confidence intervals, where they are known; 0 is assumed elsewhere. */
  readonly errors?: Readonly<Record<string, number>>;
}

export interface RuleOptions {
  readonly budgets: readonly Budget[];
  /** What quality means here, e.g. recall (max) or validation loss (min). */
  readonly quality: Objective;
  /** Quality differences up to this do not count, beyond the measured errors. */
  readonly tolerance: number;
}

interface Ranking {
  readonly order: readonly Choice[];
  readonly reasons: readonly string[];
}

export interface Rule {
  readonly description: string;
  rank(feasible: readonly Choice[], options: RuleOptions): Ranking;
}

/** Oriented quality: smaller is better. */
const loss = ({ metrics }: Choice, { quality }: RuleOptions): number =>
  quality.direction === "min" ? metrics[quality.name]! : -metrics[quality.name]!;
const errorOf = ({ errors }: Choice, { quality }: RuleOptions): number => errors?.[quality.name] ?? 0;

/** Kinds of mixers in use; kernel sizes and windows count as kinds of their own. */
const mixerKinds = ({ layout }: Choice): number =>
  new Set(layout.layers.map(({ mixer }) => formatMixer(mixer))).size;

export const round = (value: number): string => String(Number(value.toPrecision(4)));
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const byId = (a: Choice, b: Choice): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** The first criterion that tells the two best apart, as a sentence. */
function decided(
  order: readonly Choice[],
  criteria: readonly (readonly [string, (choice: Choice) => number])[],
): string[] {
  const [first, second] = order;
  if (first === undefined || second === undefined) return ["There is no runner-up."];
  const criterion = criteria.find(([, value]) => value(first) !== value(second));
  if (criterion === undefined) return [`${second.id} ties with it in everything; the ids' order decides.`];
  const [name, value] = criterion;
  return [
    `The runner-up, ${second.id} (${formatPattern(second.layout)}), loses on ${name}: ${round(value(second))} against ${round(value(first))}.`,
  ];
}

/** Sorted by each criterion in turn, smaller first; equal in all: by id, so that the answer is the same everywhere. */
function sortBy(
  choices: readonly Choice[],
  criteria: readonly (readonly [string, (choice: Choice) => number])[],
): Choice[] {
  return choices.toSorted((a, b) => {
    for (const [, value] of criteria) if (value(a) !== value(b)) return value(a) - value(b);
    return byId(a, b);
  });
}

const minimalHybrid: Rule = {
  description:
    "Fewest attention layers, then fewest mixer kinds, among those not worse than the best within the error.",
  rank: (feasible, options) => {
    const best = feasible.reduce((a, b) => (loss(b, options) < loss(a, options) ? b : a));
    // Independent errors add in quadrature; the tolerance is on top.
    const margin = (choice: Choice): number =>
      options.tolerance + Math.hypot(errorOf(best, options), errorOf(choice, options));
    const within = feasible.filter((choice) => loss(choice, options) - loss(best, options) <= margin(choice));
    const criteria = [
      ["attention layers", ({ layout }: Choice) => attentionCount(layout)],
      ["mixer kinds", mixerKinds],
      [options.quality.name, (choice: Choice) => loss(choice, options)],
    ] as const;
    const order = sortBy(within, criteria);
    const chosen = order[0]!;
    const { name } = options.quality;
    return {
      order,
      reasons: [
        `The best ${name} is ${round(best.metrics[name]!)} (${best.id}); ${plural(within.length, "layout")} of ${feasible.length} ` +
          `are not worse within the stated error (tolerance ${round(options.tolerance)}).`,
        `Of these, ${chosen.id} (${formatPattern(chosen.layout)}) has the fewest attention layers (${attentionCount(chosen.layout)}), ` +
          `then the fewest mixer kinds (${mixerKinds(chosen)}), at ${name} ${round(chosen.metrics[name]!)}.`,
        ...decided(order, criteria),
      ],
    };
  },
};

/** How much of a budget is used: 1 on the bound; below 1 there is room. */
function use({ metric, max, min }: Budget, { metrics }: Choice): number {
  const value = metrics[metric]!;
  const uses = [
    ...(max !== undefined && max > 0 ? [value / max] : []),
    ...(min !== undefined && min > 0 && value > 0 ? [min / value] : []),
  ];
  return uses.length === 0 ? 0 : Math.max(...uses);
}

const budgetWeighted: Rule = {
  description:
    "Quality against budgets used: each relative loss of quality must pay for itself in budget left over.",
  rank: (feasible, options) => {
    const { quality, budgets } = options;
    const losses = feasible.map((choice) => loss(choice, options));
    const least = Math.min(...losses);
    const range = Math.max(...losses) - least || 1;
    const meanUse = (choice: Choice): number =>
      budgets.length === 0
        ? 0
        : budgets.reduce((sum, budget) => sum + use(budget, choice), 0) / budgets.length;
    const score = (choice: Choice): number => (loss(choice, options) - least) / range + meanUse(choice);
    const criteria = [["quality given up plus mean budget used", score]] as const;
    const order = sortBy(feasible, criteria);
    const chosen = order[0]!;
    return {
      order,
      reasons: [
        `${chosen.id} (${formatPattern(chosen.layout)}) gives up ${round(((loss(chosen, options) - least) / range) * 100)}% of the ` +
          `feasible range of ${quality.name} and uses ${round(meanUse(chosen) * 100)}% of the budgets on average.`,
        ...decided(order, criteria),
      ],
    };
  },
};

const bestQuality: Rule = {
  description: "The best quality within the budgets; equal quality: the fewest attention layers.",
  rank: (feasible, options) => {
    const criteria = [
      [options.quality.name, (choice: Choice) => loss(choice, options)],
      ["attention layers", ({ layout }: Choice) => attentionCount(layout)],
    ] as const;
    const order = sortBy(feasible, criteria);
    const { name } = options.quality;
    return {
      order,
      reasons: [
        `${order[0]!.id} (${formatPattern(order[0]!.layout)}) has the best ${name}, ${round(order[0]!.metrics[name]!)}.`,
        ...decided(order, criteria),
      ],
    };
  },
};

export const rules = {
  "minimal-hybrid": minimalHybrid,
  "budget-weighted": budgetWeighted,
  "best-quality": bestQuality,
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
export const ruleNames = Object.keys(rules) as readonly RuleName[];
