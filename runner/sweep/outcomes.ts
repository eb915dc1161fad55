// A stored trial as a strategy is told of it.
import type { Outcome } from "../../search/strategy.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trials.ts";

const RAN_OUT: readonly (string | null)[] = ["out-of-memory", "timeout"];

export const outcomeOf = (store: Store, trial: Trial): Outcome => ({
  id: trial.candidateId,
  layout: trial.layout,
  state: trial.state === "complete" || trial.state === "infeasible" ? trial.state : "failed",
  metrics: Object.fromEntries(store.trials.metrics(trial.id).map(({ name, value }) => [name, value])),
  ...(RAN_OUT.includes(trial.cause) ? { ranOut: true } : {}),
  ...(trial.violation === null ? {} : { violation: trial.violation }),
});
