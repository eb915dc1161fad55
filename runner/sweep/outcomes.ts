// Translates a stored trial into the outcome that a strategy receives.
import type { Outcome } from "../../search/strategy.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trial-row.ts";

const RAN_OUT: readonly (string | null)[] = ["out-of-memory", "timeout"];
/**
 * A trial stopped in training is no candidate for the front, so the strategy sees it as infeasible by zero.
 */
const told = ({ state, violation }: Trial): Pick<Outcome, "state" | "violation"> => {
  if (state === "stopped") return { state: "infeasible", violation: 0 };
  const known = violation === null ? {} : { violation };
  return { state: state === "complete" || state === "infeasible" ? state : "failed", ...known };
};

/** Returns the outcome of a trial, with its present metrics. */
export const outcomeOf = (store: Store, trial: Trial): Outcome => ({
  id: trial.candidateId,
  layout: trial.layout,
  ...told(trial),
  metrics: Object.fromEntries(store.metrics.ofTrial(trial.id).map(({ name, value }) => [name, value])),
  ...(RAN_OUT.includes(trial.cause) ? { ranOut: true } : {}),
});
