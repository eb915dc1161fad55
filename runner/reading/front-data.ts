// Reads the front of a sweep without its other trials, for sweeps too large to be read whole each time.
import { countStates } from "../../reports/front.ts";
import type { FrontData } from "../../reports/report-model.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import { resolveObjectives } from "../sweep/metric-names.ts";
import { proxyFacts } from "./proxy-facts.ts";
import { reportDevices } from "./report-devices.ts";
import { declaredIds, publishedIds, reportTrials } from "./report-trials.ts";
import { PAGE_TRIALS } from "./shown-trials.ts";
import { reportData } from "./sweep-reader.ts";

/**
 * Returns the front as the store keeps it, with published and declared layouts, but without the other trials.
 */
export function frontData(store: Store, sweep: Sweep): FrontData {
  const { config, id } = sweep;
  const objectives = resolveObjectives(config);
  const declared = declaredIds(config);
  const front = new Set(store.fronts.of(id, objectives));
  const shown = [...front, ...store.trials.idsOfCandidates(id, [...publishedIds.keys(), ...declared])];
  const trials = [...reportTrials(store, config, declared, [...new Set(shown)])].map(([trial, shown]) => ({
    ...shown,
    onFront: front.has(trial),
  }));
  const none = countStates({ trials: [] });
  return {
    sweep: sweep.name,
    objectives,
    trials,
    totals: { trials: sweep.trials, counts: { ...none, ...store.trials.counts(id) }, reasons: [] },
    ...proxyFacts(store, sweep),
    devices: reportDevices(store, sweep, {}),
    identity: sweep.identity,
  };
}

/**
 * In a sweep too large to be read whole, chances are computed against the front and this many of the latest
 * complete trials.
 */
const LATEST_BESIDE = 200;

/** Returns the front with estimates of its values, however large the sweep is. */
export function frontOf(store: Store, sweep: Sweep): FrontData {
  const { id, config } = sweep;
  const history = historyOf(store, id);
  if (sweep.trials <= PAGE_TRIALS) return withEstimates(reportData(store, sweep), history);
  const front = frontData(store, sweep);
  const known = new Set(front.trials.map(({ number }) => number));
  const latest = reportTrials(
    store,
    config,
    declaredIds(config),
    store.trials.latestComplete(id, LATEST_BESIDE),
    {
      evidence: false,
    },
  );
  const beside = [...latest.values()].filter(({ number }) => !known.has(number));
  return withEstimates(front, history, { beside });
}
