// Turns samples into the input of the decisions: values with errors, differences to the published layout,
// choices of the rule. The same code serves real and simulated studies.
import { type Layout, layoutId } from "../../candidates/layout.ts";
import { formatMixer } from "../../candidates/notation.ts";
import { type Difference, exactly } from "../../profilers/statistics/margin.ts";
import { PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import { type Estimate, estimates, type Sampled, type Scale } from "../../search/noise/estimate.ts";
import type { Squares } from "../../search/noise/spread.ts";
import type { Objective } from "../../search/strategy.ts";
import type { Rival } from "./decide/decide-published.ts";
import type { StudyInput } from "./decide/decide-study.ts";
import type { Known, RuleChoice, RuleQuestion } from "./decide/rule.ts";

/** A metric of every layout, in the order of the layouts. */
interface ObservedMetric {
  readonly name: string;
  readonly scale: Scale;
  readonly samples: readonly Sampled[];
  /** Sums of squares between the sessions of earlier sweeps. */
  readonly history?: Squares | undefined;
}

export interface Observed extends Pick<StudyInput, "endpoints" | "placements" | "window"> {
  /** The published layout, its rivals, and other layouts that every seed trained. */
  readonly layouts: readonly { readonly label: string; readonly layout: Layout }[];
  readonly metrics: readonly ObservedMetric[];
  readonly qualities: readonly Objective[];
  /** Times and sizes in which rivals are compared. */
  readonly objectives: readonly string[];
  /** Times and sizes for which the published layout sets the rule's budgets. */
  readonly budgets: readonly string[];
}

/**
 * Returns the operators without their order: such layouts count as equal in time and memory. The cost of an
 * order is another question.
 */
const operators = ({ layers }: Layout): string =>
  layers
    .map(({ mixer }) => formatMixer(mixer))
    .sort()
    .join(" ");

const isRelative = (scale: Scale): boolean => scale === "ratio";

/** Returns a value with its error; null if the error is unknown. */
const knownOf = ({ value, standardError, degrees }: Estimate, scale: Scale): Known | null =>
  standardError === null ? null : { value, relative: isRelative(scale), standardError, degrees };

function costOf(own: Estimate, other: Estimate): Difference | null {
  if (own.standardError === null || other.standardError === null) return null;
  return {
    estimate: Math.log(own.value / other.value),
    standardError: Math.hypot(own.standardError, other.standardError),
    degrees: Math.min(own.degrees, other.degrees),
  };
}

/** Returns the input. Layouts with an unknown error are no choices of the rule. */
export function inputFrom(observed: Observed): StudyInput {
  const { layouts, metrics, qualities, objectives, budgets } = observed;
  const known = new Map(
    metrics.map(({ name, scale, samples, history }) => [
      name,
      { scale, all: estimates(samples, scale, history) },
    ]),
  );
  const published = layouts.findIndex(({ label }) => label === PUBLISHED_LABEL);
  const rivals = layouts.flatMap(({ label, layout }, n): Rival[] => {
    if (n === published || published < 0) return [];
    const same = operators(layout) === operators(layouts[published]!.layout);
    const costs = objectives.map((name) => {
      const { all } = known.get(name)!;
      return [name, same ? exactly(0) : costOf(all[n]!, all[published]!)] as const;
    });
    return [{ label, costs: Object.fromEntries(costs) }];
  });
  const choices = layouts.flatMap(({ layout }, n): RuleChoice[] => {
    const entries = [...known].map(([name, { scale, all }]) => [name, knownOf(all[n]!, scale)] as const);
    if (entries.some(([, one]) => one === null)) return [];
    return [{ id: layoutId(layout), layout, known: Object.fromEntries(entries) as Record<string, Known> }];
  });
  const id = published < 0 ? null : layoutId(layouts[published]!.layout);
  const isChoice = choices.some((choice) => choice.id === id);
  return {
    ...{ endpoints: observed.endpoints, placements: observed.placements, window: observed.window },
    rivals,
    choices,
    rules: isChoice
      ? qualities.map((quality): RuleQuestion => ({ quality, costs: budgets, published: id! }))
      : [],
  };
}
