// A stored trial as a strategy is told of it.
import type { Outcome } from "../../search/strategy.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trials.ts";

export const outcomeOf = (store: Store, trial: Trial): Outcome => ({
  id: trial.candidateId,
  layout: trial.layout,
  state: trial.state === "complete" || trial.state === "infeasible" ? trial.state : "failed",
  metrics: Object.fromEntries(store.trials.metrics(trial.id).map(({ name, value }) => [name, value])),
  ...(trial.violation === null ? {} : { violation: trial.violation }),
});
