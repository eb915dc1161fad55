// The value of a proposal: the hypervolume that it is expected to add to the front, times its chance of being
// feasible. The value orders measurements. While nothing is known, proposals keep the strategy's order.
import type { Domain } from "../domain.ts";
import { referencePoint } from "../hypervolume.ts";
import { expectedImprovement, openRegion } from "../model/improvement.ts";
import { fitSurrogate } from "../model/surrogate.ts";
import { nonDominated } from "../pareto.ts";
import type { Objective, Outcome } from "../strategy.ts";

/** With fewer complete trials, the model says too little about other layouts. */
const LEAST_COMPLETE = 6;

/** Returns a function for the expected gain of a candidate; null before enough trials are complete. */
export function fitGain<C>(
  outcomes: readonly Outcome<C>[],
  domain: Pick<Domain<C>, "features" | "groups">,
  objectives: readonly Objective[],
): ((candidate: C) => number) | null {
  const complete = outcomes.filter(({ state }) => state === "complete").length;
  if (complete < LEAST_COMPLETE) return null;
  const samples = outcomes.map((outcome) => ({ outcome, features: domain.features(outcome.layout) }));
  const surrogate = fitSurrogate(samples, domain.groups, objectives, null);
  if (surrogate === null) return null;
  const { measured } = surrogate;
  const front = nonDominated(measured).map((index) => measured[index]!);
  const region = openRegion(front, referencePoint(measured));
  return (candidate) => {
    const features = domain.features(candidate);
    return expectedImprovement(region, surrogate.predict(features)) * surrogate.feasibility(features);
  };
}

/** Returns items by descending worth. Equal items keep their order. */
export const byWorth = <T>(items: readonly T[], worth: (item: T) => number): readonly T[] =>
  items
    .map((item, place) => ({ item, place, value: worth(item) }))
    .sort((a, b) => b.value - a.value || a.place - b.place)
    .map(({ item }) => item);
