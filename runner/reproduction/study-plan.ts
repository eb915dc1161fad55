// Plans the use of a time budget: the designed layouts to train, the number of seeds, and the number of
// interleaved pairs. The plan is fixed before anything runs. On a slow machine the clock may end seeds and
// pairs early; their results never do.

import { countLabel, type Designed, PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import { MORE, PUBLISHED_COUNT, TOO_FEW } from "./decide/margins.ts";

/** Seconds of one unit of each kind of work. */
export interface UnitCosts {
  readonly measure: number;
  /** One training run of every task with one seed. */
  readonly seed: number;
  /** Both runs of a pair. */
  readonly pair: number;
  /** The choice and its runner-up measured and trained again. */
  readonly confirm: number;
}

/** Unit costs at the quick size on 2 cores of an EPYC with AVX2 (runner/reproduction/README.md). */
export const quickCosts: UnitCosts = { measure: 10, seed: 8, pair: 6, confirm: 90 };

/** Two layouts that are timed in pairs: a is the base. */
export interface Comparison {
  readonly label: string;
  readonly base: string;
}

export interface Spending {
  readonly what: string;
  readonly minutes: number;
}

export interface StudyPlan {
  /** Null: no limit. */
  readonly minutes: number | null;
  /** Number of designed layouts that become trials (the first ones of the design), and of all trials. */
  readonly designed: number;
  readonly trials: number;
  /** Labels of the layouts that every seed trains. */
  readonly blocked: readonly string[];
  readonly seeds: number;
  readonly comparisons: readonly Comparison[];
  readonly pairs: number;
  readonly spending: readonly Spending[];
}

/** Minutes from which all designed layouts are trials, and from which every seed trains all of them. */
const WHOLE_DESIGN = 45;
const WHOLE_BLOCKS = 200;
/** Seeds of every trial in the sweep, and layouts that the sweep measures in a second session. */
export const SWEEP_SEEDS = 2;
const REMEASURED = 8;
/** Share of the time after the sweep that seeds get; pairs get the rest. */
export const SEED_SHARE = 0.6;
const START_SECONDS = 30;
/** Largest numbers of seeds, and of pairs for each comparison, whatever the time budget. */
const MOST = { seeds: 60, pairs: 150 };
/** Numbers of seeds and pairs without a time budget. */
const UNLIMITED = { seeds: 12, pairs: 30 };

/** Layouts that a small budget trains and times: the minimum for the questions. */
const FEW_PLACEMENTS = new Set(["2 early", "6 early, dense", "6 late, dense"]);
const FEW_BLOCKED = new Set([PUBLISHED_LABEL, ...[...TOO_FEW, PUBLISHED_COUNT, ...MORE].map(countLabel)]);

/** Returns whether a label names the published layout with a window instead of the convolution. */
export const isWindowForConv = (label: string): boolean => /^pattern with s\d+ for c\d+$/.test(label);

function comparisonsOf(design: readonly Designed[], whole: boolean): readonly Comparison[] {
  const placements = design.filter(({ group }) => group === "placement");
  return [
    ...placements
      .filter(({ label }) => whole || FEW_PLACEMENTS.has(label))
      .map(({ label }) => ({ label, base: countLabel(Number(label.split(" ")[0])) })),
    ...design
      .filter(({ label }) => isWindowForConv(label))
      .map(({ label }) => ({ label, base: PUBLISHED_LABEL })),
  ];
}

/**
 * Returns the layouts that the published one is compared with: every number of attention layers, and the
 * window.
 */
export const coreOf = (design: readonly Designed[]): readonly Designed[] =>
  design.filter(({ group, label }) => group === "published" || group === "count" || isWindowForConv(label));

/** Returns the plan for a time budget in minutes; null: no limit. `costs`: seconds of each unit of work. */
export function planStudy(
  minutes: number | null,
  design: readonly Designed[],
  costs: UnitCosts = quickCosts,
): StudyPlan {
  const tier = minutes ?? Number.POSITIVE_INFINITY;
  const core = coreOf(design);
  const whole = tier >= WHOLE_DESIGN;
  const designed = whole ? design.length : core.length;
  const trials = designed + (tier >= WHOLE_BLOCKS ? 22 : whole ? 4 : 1);
  const blocked = (tier >= WHOLE_BLOCKS ? design : core)
    .map(({ label }) => label)
    .filter((label) => whole || FEW_BLOCKED.has(label) || isWindowForConv(label));
  const comparisons = comparisonsOf(design, whole);
  const sweep =
    trials * (costs.measure + SWEEP_SEEDS * costs.seed) + Math.min(REMEASURED, trials) * costs.measure;
  const block = blocked.length * costs.seed;
  const round = comparisons.length * costs.pair;
  const left = Math.max(0, tier * 60 - START_SECONDS - sweep - costs.confirm);
  const seeds =
    minutes === null
      ? UNLIMITED.seeds
      : Math.min(MOST.seeds, SWEEP_SEEDS + Math.floor((SEED_SHARE * left) / block));
  const seedSeconds = (seeds - SWEEP_SEEDS) * block;
  const pairs =
    minutes === null ? UNLIMITED.pairs : Math.min(MOST.pairs, even(Math.floor((left - seedSeconds) / round)));
  const spending: readonly (readonly [string, number])[] = [
    [`measure ${trials} layouts (${designed} designed) and train them with ${SWEEP_SEEDS} seeds`, sweep],
    [`train ${blocked.length} layouts with ${seeds - SWEEP_SEEDS} more seeds`, seedSeconds],
    [`time ${pairs} pairs for each of ${comparisons.length} comparisons`, pairs * round],
    ["reserved for confirming the choice", costs.confirm],
  ];
  return {
    ...{ minutes, designed, trials, blocked, seeds, comparisons, pairs },
    spending: spending.map(([what, seconds]) => ({ what, minutes: seconds / 60 })),
  };
}

/**
 * Returns the numbers of seeds and pairs after which a study ends although its clock has time left. The plan
 * is an estimate: a faster machine uses the minutes that are left for more of both.
 */
export const endOf = (plan: StudyPlan): { readonly seeds: number; readonly pairs: number } =>
  plan.minutes === null ? plan : MOST;

/** Returns an even number, for equally many pairs of each order. */
const even = (n: number): number => n - (n % 2);
