// The selection rules: the criteria of each, in order. A new rule is a line in the table. All rules break
// ties alike: by the other objectives beyond their errors, then by size. Ids decide nothing.
import { counted } from "../../candidates/words.ts";
import type { Budget } from "../budgets.ts";
import type { Objective } from "../strategy.ts";
import { type Choice, lossOf, marginOf, round, said } from "./choice.ts";

export interface RuleOptions {
  readonly budgets: readonly Budget[];
  /** Objectives of the sweep, in its order. */
  readonly objectives: readonly Objective[];
  /** The objective that stands for quality, e.g. recall (max) or validation loss (min). */
  readonly quality: Objective;
  /** Loss of quality that is accepted, in its unit, beyond the measured errors. */
  readonly tolerance: number;
}

/** A criterion by which layouts are compared. */
export interface Criterion {
  readonly name: string;
  /** Value of a choice; smaller is better. */
  readonly value: (choice: Choice) => number;
  /** Distance behind the best that still counts as equal; 0 where absent. */
  readonly margin?: (best: Choice, other: Choice) => number;
  /** The value as text for a sentence. */
  readonly shown: (choice: Choice) => string;
  /**
   * True for a criterion that decides although every objective is equal within its error. The text mentions
   * it.
   */
  readonly lastResort?: boolean;
}

export interface Rule {
  readonly description: string;
  /** Criteria, the first one first. `all`: every layout within the budgets. */
  criteria(all: readonly Choice[], options: RuleOptions): readonly Criterion[];
  /** Returns the reason for the choice, in one sentence. */
  reason(chosen: Choice, all: readonly Choice[], options: RuleOptions): string;
}

const shownAs =
  (name: string) =>
  (choice: Choice): string => {
    const known = choice.metrics[name];
    return known === undefined ? "not measured" : said(known);
  };

/** Values are equal within the error of their difference. */
const byObjective = (objective: Objective, tolerance = 0): Criterion => ({
  name: objective.name,
  value: (choice) => lossOf(choice, objective),
  margin: (best, other) => tolerance + marginOf(best, other, objective),
  shown: shownAs(objective.name),
});

const attention: Criterion = {
  name: "attention layers",
  value: ({ attentionLayers }) => attentionLayers,
  shown: ({ attentionLayers }) => `${attentionLayers}`,
};
const kinds: Criterion = {
  name: "mixer kinds",
  value: ({ mixerKinds }) => mixerKinds,
  shown: ({ mixerKinds }) => `${mixerKinds}`,
};

/**
 * Sizes closer than this relative difference count as equal, because a solver meets its target only
 * approximately.
 */
const SAME_SIZE = 0.01;

const bySize = (name: string, of: (choice: Choice) => number): Criterion => ({
  name,
  value: of,
  margin: (best) => SAME_SIZE * Math.abs(of(best)),
  shown: (choice) => round(of(choice)),
  lastResort: true,
});

const others = ({ objectives, quality }: RuleOptions): readonly Criterion[] =>
  objectives.filter(({ name }) => name !== quality.name).map((objective) => byObjective(objective));

/**
 * Criteria where all objectives are equal within their errors: sizes, then the better estimate of quality,
 * then the earlier trial.
 */
const lastResorts = ({ quality }: RuleOptions): readonly Criterion[] => [
  bySize("parameters", ({ parameters }) => parameters),
  bySize("weight bytes", ({ metrics }) => metrics.weightBytes?.value ?? 0),
  {
    name: `the value of ${quality.name}`,
    value: (choice) => lossOf(choice, quality),
    shown: shownAs(quality.name),
    lastResort: true,
  },
  {
    name: "the order of the trials",
    value: ({ trial }) => trial,
    shown: ({ trial }) => `#${trial}`,
    lastResort: true,
  },
];

const named = ({ id, pattern }: Choice): string => `${id} (${pattern})`;

const bestOf = (all: readonly Choice[], quality: Objective): Choice =>
  all.reduce((a, b) => (lossOf(b, quality) < lossOf(a, quality) ? b : a));

const notWorse = (all: readonly Choice[], { quality, tolerance }: RuleOptions): readonly Choice[] => {
  const best = bestOf(all, quality);
  return all.filter(
    (choice) =>
      !(lossOf(choice, quality) - lossOf(best, quality) > tolerance + marginOf(best, choice, quality)),
  );
};

const minimalHybrid: Rule = {
  description:
    "Fewest attention layers, then fewest mixer kinds, among those not worse than the best within the error.",
  criteria: (_, options) => [
    byObjective(options.quality, options.tolerance),
    attention,
    kinds,
    byObjective(options.quality),
    ...others(options),
    ...lastResorts(options),
  ],
  reason: (chosen, all, options) => {
    const { quality, tolerance } = options;
    const best = bestOf(all, quality);
    const close = notWorse(all, options).length;
    return (
      `The best ${quality.name} is ${shownAs(quality.name)(best)} (${best.id}); ${counted(close, "layout")} of ${all.length} ` +
      `${close === 1 ? "is" : "are"} not worse within the error and the tolerance of ${round(tolerance)}. Of these, ${named(chosen)} has the fewest attention ` +
      `layers (${chosen.attentionLayers}), then the fewest mixer kinds (${chosen.mixerKinds}), at ${quality.name} ${shownAs(quality.name)(chosen)}.`
    );
  },
};

/** Used share of a budget: 1 at the bound, less where there is room. */
function use({ metric, max, min }: Budget, { metrics }: Choice): number {
  const value = metrics[metric]!.value;
  const uses = [
    ...(max !== undefined && max > 0 ? [value / max] : []),
    ...(min !== undefined && min > 0 && value > 0 ? [min / value] : []),
  ];
  return uses.length === 0 ? 0 : Math.max(...uses);
}

const meanUse = (choice: Choice, { budgets }: RuleOptions): number =>
  budgets.length === 0 ? 0 : budgets.reduce((sum, budget) => sum + use(budget, choice), 0) / budgets.length;

/** Quality given up, as a share of the range within the budgets. */
function givenUp(all: readonly Choice[], { quality }: RuleOptions): (choice: Choice) => number {
  const losses = all.map((choice) => lossOf(choice, quality));
  const least = Math.min(...losses);
  const range = Math.max(...losses) - least || 1;
  return (choice) => (lossOf(choice, quality) - least) / range;
}

const budgetWeighted: Rule = {
  description:
    "Quality against budgets used: each relative loss of quality must pay for itself in budget left over.",
  criteria: (all, options) => {
    const loss = givenUp(all, options);
    const score = (choice: Choice): number => loss(choice) + meanUse(choice, options);
    return [
      {
        name: "quality given up plus mean budget used",
        value: score,
        shown: (choice) => round(score(choice)),
      },
      ...others(options),
      attention,
      kinds,
      ...lastResorts(options),
    ];
  },
  reason: (chosen, all, options) =>
    `${named(chosen)} gives up ${round(givenUp(all, options)(chosen) * 100)}% of the feasible range of ` +
    `${options.quality.name} and uses ${round(meanUse(chosen, options) * 100)}% of the budgets on average.`,
};

const bestQuality: Rule = {
  description:
    "The best value of the quality within the budgets; the same value: the other objectives beyond their errors.",
  // The best value is the best estimate, so it decides. The text says how many layouts do not differ from it
  // with certainty.
  criteria: (_, options) => [
    {
      name: options.quality.name,
      value: (choice) => lossOf(choice, options.quality),
      shown: shownAs(options.quality.name),
    },
    ...others(options),
    attention,
    kinds,
    ...lastResorts(options),
  ],
  reason: (chosen, all, options) => {
    const close = notWorse(all, { ...options, tolerance: 0 }).length - 1;
    const alike =
      close === 0
        ? ""
        : ` ${counted(close, "other layout")} ${close === 1 ? "is" : "are"} not distinguishable from it within the error.`;
    return `${named(chosen)} has the best ${options.quality.name}, ${shownAs(options.quality.name)(chosen)}.${alike}`;
  },
};

export const rules = {
  "minimal-hybrid": minimalHybrid,
  "budget-weighted": budgetWeighted,
  "best-quality": bestQuality,
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
export const ruleNames = Object.keys(rules) as readonly RuleName[];

/**
 * Returns true if all objectives are equal within their errors. Used in texts about a pair; the order of the
 * pair does not matter.
 */
export const equalAsMeasured = (a: Choice, b: Choice, objectives: readonly Objective[]): boolean =>
  objectives.every((objective) => {
    const [better, worse] = lossOf(a, objective) <= lossOf(b, objective) ? [a, b] : [b, a];
    return !(lossOf(worse, objective) - lossOf(better, objective) > marginOf(better, worse, objective));
  });
