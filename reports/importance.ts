// Importance of traits of a layout for a metric: the share of the metric's variance over the measured layouts
// that one trait alone explains (the main effect of a functional ANOVA). Shares are leave-one-out, so that a
// trait without effect scores about zero. Traits that occur together share the same variance, so shares do
// not sum to one.
import {
  isAttention,
  isGlobalAttention,
  isWindowAttention,
  type Layer,
  type Layout,
  normsOf,
} from "../candidates/layout.ts";
import { formatMixer } from "../candidates/notation.ts";
import type { Quantity } from "../candidates/ops/operator.ts";
import {
  ffnWidthOf,
  mixers,
  operatorOf,
  partsOf,
  type SingleMixer,
} from "../candidates/ops/operator-registry.ts";
import { mean } from "../profilers/statistics/summary.ts";
import { tokensOf } from "./edits.ts";
import type { ReportData } from "./report-model.ts";

export interface Trait {
  readonly name: string;
  /**
   * By metric, in the requested order: share of variance explained, 0 to 1; null where too little was
   * measured.
   */
  readonly shares: readonly (number | null)[];
}
export interface Importance {
  /** The most important first. Each exceeds the noise in at least one metric. */
  readonly traits: readonly Trait[];
  /** By metric: number of layouts with a measured value. */
  readonly measured: readonly number[];
}

/** With fewer layouts, traits cannot be judged. */
const MIN_LAYOUTS = 12;
/** A numeric trait with more values than this is cut into this many groups of equal size. */
const GROUPS = 6;
const MAX_TRAITS = 16;
/** Parameter counts this close to each other were solved for. FFN widths then follow from the mixers. */
const SOLVED = 0.02;
/** Smaller shares are noise even leave-one-out. */
const SHOWN = 0.02;

type Value = string | number;

const depthsOf = (layout: Layout, test: (layer: Layer) => boolean): number[] =>
  layout.layers.flatMap((layer, index) =>
    test(layer) ? [index / Math.max(1, layout.layers.length - 1)] : [],
  );

/** The quantities that operators declare, each once. */
const quantities = mixers
  .flatMap((operator) => operator.quantities)
  .filter(({ name }, index, all) => all.findIndex((other) => other.name === name) === index);

/** A layout's value of a quantity, over the mixers whose operator declares it. */
const quantityIn =
  ({ name, over }: Quantity<SingleMixer>) =>
  ({ layers }: Layout): Value => {
    const parts = layers.flatMap(({ mixer }) => partsOf(mixer));
    const values = parts.flatMap((mixer) => {
      const own = operatorOf(mixer).quantities.find((quantity) => quantity.name === name);
      return own === undefined ? [] : [own.of(mixer)];
    });
    if (over === "sum") return values.reduce((a, b) => a + b, 0);
    return values.length === 0 ? "none" : mean(values);
  };

/** The traits of a layout. A trait that is equal in all layouts is dropped automatically. */
const TRAITS: Readonly<Record<string, (layout: Layout) => Value>> = {
  "attention layers": ({ layers }) => layers.filter(isAttention).length,
  "global attention layers": ({ layers }) => layers.filter(isGlobalAttention).length,
  "window attention layers": ({ layers }) => layers.filter(isWindowAttention).length,
  "place of the first attention layer": (layout) => depthsOf(layout, isAttention)[0] ?? "none",
  "mean place of attention": (layout) => {
    const depths = depthsOf(layout, isAttention);
    return depths.length === 0 ? "none" : mean(depths);
  },
  "mixer of the last layer": ({ layers }) => formatMixer(layers.at(-1)!.mixer),
  "kinds of mixers": ({ layers }) => new Set(layers.map(({ mixer }) => formatMixer(mixer))).size,
  "longest run without attention": ({ layers }) => {
    let [longest, run] = [0, 0];
    for (const layer of layers) {
      run = isAttention(layer) ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    return longest;
  },
  ...Object.fromEntries(quantities.map((quantity) => [quantity.name, quantityIn(quantity)])),
  "layers with norms after their parts": ({ layers }) =>
    layers.filter((layer) => normsOf(layer) === "sandwich").length,
  "FFN width": ({ layers }) => mean(layers.map(({ ffn }) => ffnWidthOf(ffn))),
  depth: ({ layers }) => layers.length,
  width: ({ width }) => width,
};

/** Each value as the name of its group: categories unchanged, many numbers by rank. */
function grouped(values: readonly Value[]): string[] {
  const numbers = [...new Set(values.filter((value) => typeof value === "number"))].sort((a, b) => a - b);
  if (numbers.length <= GROUPS) return values.map(String);
  const sorted = values.filter((value) => typeof value === "number").sort((a, b) => a - b);
  const cuts = Array.from(
    { length: GROUPS - 1 },
    (_, n) => sorted[Math.floor(((n + 1) * sorted.length) / GROUPS)]!,
  );
  return values.map((value) =>
    typeof value === "string" ? value : String(cuts.filter((cut) => value >= cut).length),
  );
}

/**
 * Returns 1 - PRESS / total: the improvement when a value is predicted from the others of its group rather
 * than from all others.
 */
export function shareExplained(groups: readonly string[], values: readonly number[]): number {
  const all = values.reduce((a, b) => a + b, 0);
  const n = values.length;
  const sums = new Map<string, { sum: number; n: number }>();
  for (const [index, group] of groups.entries()) {
    const entry = sums.get(group) ?? { sum: 0, n: 0 };
    entry.sum += values[index]!;
    entry.n++;
    sums.set(group, entry);
  }
  let [total, left] = [0, 0];
  for (const [index, value] of values.entries()) {
    const { sum, n: size } = sums.get(groups[index]!)!;
    const others = (all - value) / (n - 1);
    total += (value - others) ** 2;
    left += (value - (size > 1 ? (sum - value) / (size - 1) : others)) ** 2;
  }
  return total > 0 ? Math.max(0, 1 - left / total) : 0;
}

/** Returns the importance of traits for each of these metrics, over every layout with a measured value. */
export function importanceOf(data: ReportData, metrics: readonly string[]): Importance {
  const depths = new Set(data.trials.map(({ layout }) => layout.layers.length));
  const depth = depths.size === 1 ? [...depths][0]! : 0;
  const perLayer = Array.from({ length: depth }, (_, layer): [string, (trial: string[]) => Value] => [
    `mixer of layer ${layer}`,
    (tokens) => tokens[layer] ?? "none",
  ]);
  const trials = data.trials.filter(({ metrics: own }) => metrics.some((name) => own[name] !== undefined));
  const tokens = trials.map(({ pattern }) => tokensOf(pattern));
  const sizes = trials.map(({ parameters }) => parameters);
  const [least, most] = [
    sizes.reduce((a, b) => Math.min(a, b), 1e300),
    sizes.reduce((a, b) => Math.max(a, b), 0),
  ];
  const left = new Set([
    ...(depth > 0 ? ["mixer of the last layer"] : []),
    ...(most <= least * (1 + SOLVED) ? ["FFN width"] : []),
  ]);
  const columns: [string, Value[]][] = [
    ...Object.entries(TRAITS)
      .filter(([name]) => !left.has(name))
      .map(([name, of]): [string, Value[]] => [name, trials.map(({ layout }) => of(layout))]),
    ...perLayer.map(([name, of]): [string, Value[]] => [name, tokens.map(of)]),
  ];
  const rows = metrics.map((name) =>
    trials.flatMap((trial, n) => (trial.metrics[name] === undefined ? [] : [n])),
  );
  const traits = columns
    .filter(([, values]) => new Set(values).size > 1)
    .map(([name, values]) => ({
      name,
      shares: metrics.map((metric, m) => {
        const on = rows[m]!;
        if (on.length < MIN_LAYOUTS) return null;
        return shareExplained(
          grouped(on.map((n) => values[n]!)),
          on.map((n) => trials[n]!.metrics[metric]!.value),
        );
      }),
    }));
  const highest = (trait: Trait): number => Math.max(0, ...trait.shares.map((share) => share ?? 0));
  return {
    traits: traits
      .filter((trait) => highest(trait) >= SHOWN)
      .sort((a, b) => highest(b) - highest(a))
      .slice(0, MAX_TRAITS),
    measured: rows.map((on) => on.length),
  };
}
