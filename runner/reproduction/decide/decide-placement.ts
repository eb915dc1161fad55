// The claim "an early or dense placement of attention spikes the time to first token". At least one such
// placement takes longer than the spread one of as many layers, by more than MATTERS. The claim is
// contradicted if every placement is shown not to.
import type { ComparedPair } from "../../../profilers/compare.ts";
import { any } from "../../../profilers/statistics/evidence.ts";
import { holm } from "../../../profilers/statistics/holm.ts";
import { slower } from "./paired-time.ts";
import { type Decision, decide, LEVEL } from "./verdict.ts";

/** Pairs of one placement: a is the spread layout, b the placement. */
export interface PlacementPairs {
  readonly label: string;
  readonly pairs: readonly ComparedPair[];
}

export interface PlacementDecision extends Decision {
  /** Labels of the placements shown to be slower, adjusted for all placements (Holm 1979). */
  readonly spikes: readonly string[];
}

/** Returns the decision on one time metric. */
export function decidePlacement(placements: readonly PlacementPairs[], metric: string): PlacementDecision {
  const adjusted = holm(placements.map(({ pairs }) => slower(pairs, metric).pTrue));
  return {
    ...decide((look) => any(placements.map(({ pairs }) => slower(pairs, metric, look)))),
    spikes: placements.flatMap(({ label }, n) => (adjusted[n]! <= LEVEL ? [label] : [])),
  };
}
