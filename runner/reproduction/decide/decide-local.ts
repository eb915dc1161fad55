// The claim "other local operators did not improve quality and usually worsened device metrics", for a window
// instead of the convolution. The window is better in no task by more than the margin, and takes longer by
// more than MATTERS in at least one of the times.
import type { ComparedPair } from "../../../profilers/compare.ts";
import { all, any, not } from "../../../profilers/statistics/evidence.ts";
import { better, type Endpoint, isLearnt } from "./endpoint.ts";
import { slower } from "./paired-time.ts";
import { type Decision, decide, undecidable } from "./verdict.ts";

export interface LocalInput {
  readonly endpoints: readonly Endpoint[];
  /** Labels of the layout with the window, and of the one with the convolution. */
  readonly window: string;
  readonly conv: string;
  /** a: convolution, b: window. */
  readonly pairs: readonly ComparedPair[];
  readonly metrics: readonly string[];
}

/** Returns the decision; undecidable if there is no task, or if no proxy learnt one of them. */
export function decideLocal({ endpoints, window, conv, pairs, metrics }: LocalInput): Decision {
  if (endpoints.length === 0 || !endpoints.every(isLearnt)) return undecidable;
  return decide((look) =>
    all([
      ...endpoints.map((endpoint) => not(better(endpoint, window, conv, look))),
      any(metrics.map((metric) => slower(pairs, metric, look))),
    ]),
  );
}
