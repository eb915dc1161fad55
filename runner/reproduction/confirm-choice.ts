// Confirms the choice of a study: the pick of the minimal-hybrid rule under the published layout's budgets is
// measured and trained again, and only the new values are reported. On by default, because the best of many
// layouts is partly lucky.
import { layoutId } from "../../candidates/layout.ts";
import type { ReportConfirmation } from "../../reports/report-model.ts";
import { type Designed, PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import { reportData } from "../reading/sweep-reader.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { type ConfirmWork, confirm } from "../sweep/choice-confirmation.ts";
import { DEFAULT_REPLACEMENTS, DEFAULT_SESSIONS } from "../sweep/confirm-defaults.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import { SCORE_MARGIN } from "./decide/margins.ts";
import { ROOM } from "./decide/rule.ts";
import { costsOf } from "./study.ts";

/** Returns the sessions and seeds of each stage for a study of this many minutes; null: no limit. */
const sessionsIn = (minutes: number | null): number =>
  minutes === null || minutes >= 300 ? DEFAULT_SESSIONS : 2;

/**
 * Confirms the choice of a study. Returns null if the published layout has no result that sets the budgets.
 */
export async function confirmStudyChoice(
  store: Store,
  sweep: Sweep,
  design: readonly Designed[],
  minutes: number | null,
  work: Omit<ConfirmWork, "data">,
): Promise<ReportConfirmation | null> {
  const data = withEstimates(reportData(store, sweep, { jobs: false }), historyOf(store, sweep.id));
  const published = design.find(({ label }) => label === PUBLISHED_LABEL)!;
  const own = data.trials.find(({ id, state }) => id === layoutId(published.layout) && state === "complete");
  if (own === undefined) return null;
  const { contexts, devices } = work.config.measure;
  const [context, device] = [Math.max(...contexts), devices[0]!];
  const costs = Object.values(costsOf(context, device));
  const asked = {
    rule: "minimal-hybrid" as const,
    budgets: costs.flatMap((metric) => {
      const value = own.metrics[metric]?.value;
      return value === undefined ? [] : [{ metric, max: ROOM * value }];
    }),
    tolerance: SCORE_MARGIN,
    sessions: sessionsIn(minutes),
    replacements: DEFAULT_REPLACEMENTS,
  };
  return confirm(store, sweep, asked, { ...work, data });
}
