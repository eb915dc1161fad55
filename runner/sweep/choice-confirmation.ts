// Measures and trains a choice and its runner-up again (`select --confirm`; `reproduce` does so by default),
// in new sessions and with new seeds. The new values never join those of the trials.
// search/selection/confirm.ts decides which layout survives. Repeating the request continues a confirmation
// that was stopped.
import { isDeepStrictEqual } from "node:util";
import type { ReportConfirmation, ReportData } from "../../reports/report-model.ts";
import type { Budget } from "../../search/budgets.ts";
import { confirmChoice } from "../../search/selection/confirm.ts";
import type { Selection } from "../../search/selection/select.ts";
import { InterruptedError } from "../base/run-errors.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { ConfirmSamples } from "./confirm-samples.ts";
import { resolveBudgets } from "./metric-names.ts";
import { type Asked, type Selected, selectionOf } from "./selection.ts";
import { type WorkplaceOptions, withWorkplace } from "./workplace.ts";

export interface ConfirmAsked extends Asked {
  /** New sessions on each device, and new seeds of each task, in each of the two stages. */
  readonly sessions: number;
  /** How many times a choice that does not survive may be replaced. */
  readonly replacements: number;
}

export interface ConfirmWork extends WorkplaceOptions {
  /** The sweep as it is reported, with estimates (runner/sweep/estimates.ts). */
  readonly data: ReportData;
}

/** The identity of a confirmation: an equal request continues it. */
const requestOf = ({ quality, ...asked }: ConfirmAsked, qualityName: string) => ({
  ...asked,
  quality: qualityName,
});

/**
 * Returns the result of an earlier equal request. Returns null when there is none, when it did not end, or
 * when the sweep has continued since and its order of choices differs.
 */
export function confirmationOf(
  store: Store,
  sweep: Sweep,
  asked: ConfirmAsked,
  { options, selection }: Pick<Selected, "options" | "selection">,
): ReportConfirmation | null {
  const known = store.confirmations.find(sweep.id, requestOf(asked, options.quality.name));
  const result = (known?.result ?? null) as ReportConfirmation | null;
  return result !== null && isDeepStrictEqual(result.order, orderOf(selection)) ? result : null;
}

const orderOf = ({ order }: Selection): readonly string[] => order.map(({ id }) => id);

/** The requested budgets, and the sweep's own budgets on other metrics. */
function keptBudgets(asked: readonly Budget[], own: readonly Budget[]): readonly Budget[] {
  return [...asked, ...own.filter(({ metric }) => !asked.some((budget) => budget.metric === metric))];
}

/**
 * Confirms the choice of the rule in a sweep, finished or stopped, and stores the result.
 * @throws InvalidInputError (`sweep-running`, `unknown-metric`), RunError, InterruptedError when the signal
 * aborts.
 */
export async function confirm(
  store: Store,
  sweep: Sweep,
  asked: ConfirmAsked,
  work: ConfirmWork,
): Promise<ReportConfirmation> {
  const { options, choices, selection } = selectionOf(work.data, work.config, asked);
  const known = confirmationOf(store, sweep, asked, { options, selection });
  if (known !== null) return known;
  const request = requestOf(asked, options.quality.name);
  const kept = keptBudgets(asked.budgets, resolveBudgets(work.config));
  try {
    return await withWorkplace(store, sweep, work, async (context) => {
      const stored = store.confirmations.begin(sweep.id, request);
      const samples = new ConfirmSamples(stored, asked.sessions, kept, work.data, context);
      const { replacements } = asked;
      const found = await confirmChoice(choices, { ...options, kept, replacements }, (pair, stage) =>
        samples.take(pair, stage),
      );
      const result: ReportConfirmation = {
        rule: asked.rule,
        quality: options.quality.name,
        tolerance: asked.tolerance,
        budgets: asked.budgets,
        sessions: asked.sessions,
        seeds: { check: samples.seedsOf("check"), report: samples.seedsOf("report") },
        order: orderOf(selection),
        chosen: found.chosen && samples.reported(found.chosen),
        runnerUp: found.runnerUp && samples.reported(found.runnerUp),
        rejected: found.rejected.map(({ choice: { id, trial }, reason }) => ({ id, trial, reason })),
        left: found.left,
        finishedAt: new Date().toISOString(),
      };
      store.confirmations.end(stored.id, result);
      return result;
    });
  } catch (error) {
    if (!work.signal.aborted) throw error;
    throw new InterruptedError(
      `interrupted: finished measurements and training runs are kept. Continue with: ${work.command}`,
    );
  }
}
