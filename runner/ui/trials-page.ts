// Every trial of a sweep for its page: a part of the table in any order, and one trial with all its
// measurements.
import { formatValue } from "../../reports/format.ts";
import type { TrialsPage } from "../../reports/live-messages.ts";
import { type View, viewOf } from "../../reports/page/view.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { declaredIds, reportTrials } from "../reading/report-trials.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { TrialState } from "../store/trial-row.ts";

const PAGE = 50;
const STATES: readonly string[] = [
  "proposed",
  "complete",
  "infeasible",
  "failed",
  "lost",
  "screened",
  "stopped",
] satisfies TrialState[];

/** Returns the part of the table that the address asks for; invalid parameters are ignored. */
export function trialsPage(store: Store, sweep: Sweep, data: ReportData, asked: URLSearchParams): TrialsPage {
  const state = asked.get("state") ?? "";
  const offset = Math.max(0, Math.floor(Number(asked.get("offset")) || 0));
  const sort = asked.get("sort");
  const { total, rows } = store.trials.page(sweep.id, {
    offset,
    limit: PAGE,
    state: STATES.includes(state) ? (state as TrialState) : null,
    sort: sort === null || sort === "" ? null : sort,
    descending: asked.get("descending") === "1",
    find: (asked.get("find") ?? "").slice(0, 200),
  });
  const names = data.objectives.map(({ name }) => name);
  const values = store.metrics.valuesOf(
    rows.map(({ id }) => id),
    names,
  );
  return {
    offset,
    total,
    size: PAGE,
    rows: rows.map(({ id, number, candidateId, notation, state: ended, reason }) => ({
      number,
      id: candidateId,
      pattern: notation.slice(notation.indexOf(":") + 1).trim(),
      state: ended,
      reason,
      values: data.objectives.map(({ name, unit }) => {
        const value = values.get(id)?.[name];
        return value === undefined ? null : formatValue(value, unit);
      }),
    })),
  };
}

/** Returns the data of one trial; null if there is no such number. */
export function trialView(store: Store, sweep: Sweep, data: ReportData, number: number): View | null {
  const id = store.trials.idOf(sweep.id, number);
  if (id === null) return null;
  const trial = reportTrials(store, sweep.config, declaredIds(sweep.config), [id]).get(id)!;
  const { totals: _, ...rest } = data;
  return viewOf({ ...rest, trials: [trial], frontSpans: [], hypervolume: [], timeline: [] });
}
