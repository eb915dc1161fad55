// The chance that a layout can be measured at all, learned from layouts that ran out of memory or time and
// those that did not. Reaching a limit is a label of its own, never a penalty value.

import { normalCdf } from "../../profilers/statistics/normal.ts";
import { defaultHyperparameters, GaussianProcess, Inputs } from "../model/gaussian-process.ts";

export interface Labelled {
  readonly features: readonly number[];
  /** True if memory or time ran out. */
  readonly ranOut: boolean;
}

const FIT_STEPS = 25;
/** Labels near the border are not exact: a repeated measurement may fit. */
const LABEL_ERROR = 0.3;
/** With fewer labels of either kind, the model has no information about the border. */
const LEAST_OF_EACH = 3;

/**
 * Returns the chance that a layout fits, or null before enough labels of both kinds exist. A regression on
 * the labels, then the probability of its sign: closed form and deterministic.
 */
export function fitFeasibility(
  seen: readonly Labelled[],
  groups: readonly number[],
): ((features: readonly number[]) => number) | null {
  const out = seen.filter(({ ranOut }) => ranOut).length;
  if (out < LEAST_OF_EACH || seen.length - out < LEAST_OF_EACH) return null;
  const process = new GaussianProcess(
    new Inputs(
      seen.map(({ features }) => features),
      groups,
    ),
    seen.map(({ ranOut }) => (ranOut ? -1 : 1)),
    defaultHyperparameters(Math.max(...groups) + 1),
    FIT_STEPS,
  );
  return (features) => {
    const { mean, sd } = process.predict(features);
    return normalCdf(mean / Math.hypot(sd, LABEL_ERROR));
  };
}
