// Lists every strategy. A new one needs a file in strategies/ and a line here. Configuration, command line
// and contract tests follow from this list.
import type { z } from "zod";
import type { Layout } from "../candidates/layout.ts";
import { layoutDomain } from "./domain.ts";
import { evolution, evolutionOptions } from "./strategies/evolution.ts";
import { exhaustive, exhaustiveOptions } from "./strategies/exhaustive.ts";
import { model, modelOptions } from "./strategies/model.ts";
import { nsga2, nsga2Options } from "./strategies/nsga2.ts";
import { random, randomOptions } from "./strategies/random.ts";
import type { SearchContext, Strategy, StrategyContext } from "./strategy.ts";

export interface StrategyEntry {
  readonly description: string;
  readonly optionsSchema: z.ZodType<Record<string, unknown>>;
  create<C>(context: SearchContext<C>): Strategy<C>;
}

export const strategies = {
  random: {
    description: "Independent random draws: the baseline.",
    optionsSchema: randomOptions,
    create: random,
  },
  exhaustive: {
    description: "Every layout of the space in a fixed order.",
    optionsSchema: exhaustiveOptions,
    create: exhaustive,
  },
  nsga2: {
    description: "NSGA-II with layout-aware variation and constraint domination.",
    optionsSchema: nsga2Options,
    create: nsga2,
  },
  evolution: {
    description: "Regularised evolution: parents among the youngest trials, the oldest die.",
    optionsSchema: evolutionOptions,
    create: evolution,
  },
  model: {
    description: "Gaussian processes over layout features, by expected hypervolume improvement.",
    optionsSchema: modelOptions,
    create: model,
  },
} as const satisfies Record<string, StrategyEntry>;

export type StrategyName = keyof typeof strategies;
export const strategyNames = Object.keys(strategies) as readonly StrategyName[];

/**
 * Returns a strategy over a declared space of layouts. Throws a ZodError when the options do not match its
 * schema.
 */
export function createStrategy(name: StrategyName, context: StrategyContext): Strategy<Layout> {
  const entry: StrategyEntry = strategies[name];
  const { space, ...rest } = context;
  return entry.create({
    ...rest,
    domain: layoutDomain(space),
    options: entry.optionsSchema.parse(context.options),
  });
}
