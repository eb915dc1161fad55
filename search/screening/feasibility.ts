// The chance that a layout can be measured at all, learnt from what ran out of memory or time beside what did not. Nobody is
// penalised: a limit that was hit is a label of its own, never a bad value.

import { normalCdf } from "../../profilers/statistics/normal.ts";
import { defaultHyperparameters, GaussianProcess, Inputs } from "../model/gaussian-process.ts";

export interface Labelled {
  readonly features: readonly number[];
  /** Memory or time. */
  readonly ranOut: boolean;
}

const FIT_STEPS = 25;
/** Labels are not exact beside the border: one more measurement may fit. */
const LABEL_ERROR = 0.3;
/** Fewer of either kind say where nothing lies. */
const LEAST_OF_EACH = 3;

/** Null before enough of both kinds were seen. A regression on the labels, the chance of its sign: closed form, and the same every time. */
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
