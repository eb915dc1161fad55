// Whether a sweep may stop before its last trial: the hypervolume has not grown for a while, and no point is
// in doubt given the spread of its samples.
import type { ReportMetric } from "../../reports/report-model.ts";
import type { Settled, SettledOptions } from "../../search/noise/settled.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import type { Objective } from "../../search/strategy.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trial-row.ts";
import { chancesOf, historyOf, pointsOf } from "./estimates.ts";

/** Only this many of the latest trials are compared: each check compares all pairs. */
const LOOKED_AT = 300;

/** Returns a complete trial with its metrics and samples, for estimates of its noise. */
export function sampledPoint(
  store: Store,
  trial: Trial,
): { readonly id: string; readonly metrics: Readonly<Record<string, ReportMetric>> } {
  const metrics = store.metrics.ofTrial(trial.id);
  return {
    id: trial.candidateId,
    metrics: Object.fromEntries(metrics.map(({ name, ...metric }) => [name, metric])),
  };
}

/** Returns whether the front has settled, with the reason. `hypervolumes`: after each finished trial. */
export function sweepSettled(
  store: Store,
  sweepId: number,
  objectives: readonly Objective[],
  hypervolumes: readonly number[],
  options: SettledOptions,
): Settled {
  const complete = store.trials.all(sweepId).filter(({ state }) => state === "complete");
  const points = complete.slice(-LOOKED_AT).map((trial) => sampledPoint(store, trial));
  const chances = chancesOf(pointsOf(points, objectives, historyOf(store, sweepId)));
  return frontSettled(hypervolumes, chances, options);
}
