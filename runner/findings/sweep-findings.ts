// All findings of a sweep, in the order in which they are read. A new kind of finding is a file beside this
// one and a line here.
import { Space } from "../../candidates/space.ts";
import type { ReportData, ReportFinding } from "../../reports/report-model.ts";
import { designs } from "../../search/designs/design-registry.ts";
import { type FindingsContext, pointOf } from "../reading/findings-context.ts";
import { PAGE_TRIALS } from "../reading/shown-trials.ts";
import { studyRecordOf } from "../reading/study-record.ts";
import { reportData } from "../reading/sweep-reader.ts";
import { studies } from "../reproduction/studies.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { ScreeningEvent } from "../sweep/batch-screening.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import { verdictsOf } from "../sweep/training-rungs.ts";
import { certaintyFinding } from "./certainty-finding.ts";
import { devicesFinding } from "./devices-finding.ts";
import { measuringFinding } from "./measuring-finding.ts";
import { predictorFinding } from "./predictor-finding.ts";
import { rungsFinding } from "./rungs-finding.ts";
import { screeningFinding } from "./screening-finding.ts";

/**
 * Number of latest layouts that findings consider beside the front; the cost of fitting grows with the cube.
 */
const MOST = 400;

function contextOf(store: Store, sweep: Sweep, data: ReportData): FindingsContext {
  const complete = data.trials.filter(({ state }) => state === "complete").map(pointOf);
  const latest = new Set(complete.slice(-MOST).map(({ number }) => number));
  // A trial that was stopped in training was measured before.
  const measured = data.trials.filter(({ state }) => ["complete", "infeasible", "stopped"].includes(state));
  return {
    config: sweep.config,
    objectives: data.objectives,
    budgets: data.budgets.map(({ metric, max, min }) => ({
      metric,
      ...(max === undefined ? {} : { max }),
      ...(min === undefined ? {} : { min }),
    })),
    points: complete.filter(({ number, onFront }) => onFront || latest.has(number)),
    measured: measured.slice(-MOST).map(pointOf),
    foreseen: store.events(sweep.id, "screening").map(({ data: event }) => event as ScreeningEvent),
    repetitions: repetitionsOf(store, sweep.id),
    rungs: verdictsOf(store, sweep.id),
    history: historyOf(store, sweep.id),
    hypervolumes: data.hypervolume.map(({ value }) => value),
    ...(sweep.config.study !== undefined && { study: studyRecordOf(store, sweep) }),
    unitOf: (metric) => data.trials.find((trial) => metric in trial.metrics)?.metrics[metric]?.unit ?? "",
    rates: (device) =>
      (store.history.probes(sweep.id, device).at(-1) ?? store.devices.lastProbe(device))?.result ?? null,
  };
}

function repetitionsOf(store: Store, sweepId: number): FindingsContext["repetitions"] {
  const all = store.repetitions.all(sweepId);
  const trials = store.trials.some([...new Set(all.map(({ trialId }) => trialId))]);
  const numbers = new Map(trials.map(({ id, number }) => [id, number]));
  return all.map(({ trialId, kind, state }) => ({ kind, state, number: numbers.get(trialId)! }));
}

/** Returns all findings of a sweep, from its report data. */
export function findingsOf(store: Store, sweep: Sweep, data: ReportData): readonly ReportFinding[] {
  const context = contextOf(store, sweep, data);
  const space = new Space(sweep.config.space);
  const { study } = sweep.config;
  const answers = study === undefined ? [] : studies[study].answers(context, designs[study](space));
  return [
    ...answers,
    measuringFinding(context),
    certaintyFinding(context),
    devicesFinding(context),
    predictorFinding(context, space),
    screeningFinding(context),
    rungsFinding(context),
  ].filter((finding) => finding !== null);
}

/**
 * Returns the data of a report with its findings. Findings are expensive, so a live page does not use this
 * for every update. For a very large sweep the trials are a selection; counts and front are those of the
 * whole sweep.
 */
export function reportWithFindings(store: Store, sweep: Sweep): ReportData {
  const data = withEstimates(reportData(store, sweep, { atMost: PAGE_TRIALS }), historyOf(store, sweep.id));
  return { ...data, findings: findingsOf(store, sweep, data) };
}
