// The front for readers: its points in order, each with a short label, and the other trials by outcome.
// search/ decides which trials are on the front; this file only reads that.
import { formatValue } from "./format.ts";
import { metricLabel } from "./metrics.ts";
import type {
  FrontData,
  ReportData,
  ReportObjective,
  ReportReason,
  ReportTrial,
  TrialState,
} from "./report-model.ts";

export interface FrontPoint {
  /** `F1`, `F2`, ...: the name of the point in every table and plot of a report. */
  readonly label: string;
  readonly trial: ReportTrial;
}

/**
 * Returns a negative number if a is better than b in this objective; a trial without the value comes last.
 */
function compareBy(objective: ReportObjective, a: ReportTrial, b: ReportTrial): number {
  const left = a.metrics[objective.name]?.value;
  const right = b.metrics[objective.name]?.value;
  if (left === undefined || right === undefined)
    return Number(left === undefined) - Number(right === undefined);
  return objective.direction === "min" ? left - right : right - left;
}

/** Returns the front's points, best in the first objective first; ties by trial number. */
export function frontPoints(data: Pick<ReportData, "objectives" | "trials">): readonly FrontPoint[] {
  const [first] = data.objectives;
  return data.trials
    .filter((trial) => trial.onFront)
    .sort((a, b) => (first === undefined ? 0 : compareBy(first, a, b)) || a.number - b.number)
    .map((trial, index) => ({ label: `F${index + 1}`, trial }));
}

/** Returns a sentence about the reach of the scores; null if nothing is trained. */
export const reachText = ({ proxyWidth }: Pick<FrontData, "proxyWidth">): string | null =>
  proxyWidth === undefined
    ? null
    : `All proxies have width ${proxyWidth}, so quality ranks nothing above width ${proxyWidth}: wider models were not tested.`;

/**
 * Returns published layouts that were measured but are not on the front; reports always show them beside it.
 */
export const publishedOffFront = (data: Pick<ReportData, "trials">): readonly ReportTrial[] =>
  data.trials.filter(
    ({ published, onFront, state }) =>
      published !== null && !onFront && (state === "complete" || state === "infeasible"),
  );

type Ended = Pick<ReportTrial, "state" | "reason" | "overBudget">;

/** Counts the trials of the whole sweep by state, even if the data has only some of them. */
export function countStates(
  data: Pick<ReportData, "totals"> & { readonly trials: readonly Pick<ReportTrial, "state">[] },
): Readonly<Record<TrialState, number>> {
  if (data.totals !== undefined) return data.totals.counts;
  const counts = {
    complete: 0,
    infeasible: 0,
    screened: 0,
    stopped: 0,
    failed: 0,
    lost: 0,
    proposed: 0,
    running: 0,
  };
  for (const trial of data.trials) counts[trial.state]++;
  return counts;
}

/** Returns the number of trials in the whole sweep. */
export const proposedCount = (data: Pick<ReportData, "trials" | "totals">): number =>
  data.totals?.trials ?? data.trials.length;

const withoutResult = ({ state }: Ended): boolean =>
  state !== "complete" && state !== "proposed" && state !== "running";

/** Returns a key of the cause: within one cause only the figures differ between trials. */
const causeOf = ({ state, reason }: Ended): string =>
  `${state}\n${(reason ?? "no reason recorded").replace(/\d[\d.,_]*/g, "#")}`;

/** Counts ends without a result by cause. */
export class ReasonCount {
  private readonly groups = new Map<string, Omit<ReportReason, "count"> & { count: number }>();

  add(trial: Ended): void {
    if (!withoutResult(trial)) return;
    const { state, reason, overBudget } = trial;
    const cause = causeOf(trial);
    const group = this.groups.get(cause);
    if (group !== undefined) group.count++;
    else this.groups.set(cause, { state, reason: reason ?? "no reason recorded", overBudget, count: 1 });
  }

  /** The most frequent first. */
  get list(): readonly ReportReason[] {
    return [...this.groups.values()].map((group) => ({ ...group })).sort((a, b) => b.count - a.count);
  }
}

function reasonsOf(trials: readonly Ended[]): readonly ReportReason[] {
  const reasons = new ReasonCount();
  for (const trial of trials) reasons.add(trial);
  return reasons.list;
}

export interface ReasonGroup extends ReportReason {
  /** The trials in the data. */
  readonly trials: readonly ReportTrial[];
}

/** Returns the trials without a result, grouped by state and reason, the largest group first. */
export function groupByReason(data: ReportData): readonly ReasonGroup[] {
  const trials = new Map<string, ReportTrial[]>();
  for (const trial of data.trials) {
    if (!withoutResult(trial)) continue;
    const group = trials.get(causeOf(trial));
    if (group === undefined) trials.set(causeOf(trial), [trial]);
    else group.push(trial);
  }
  const reasons = data.totals?.reasons ?? reasonsOf(data.trials);
  return reasons.map((reason) => ({ ...reason, trials: trials.get(causeOf(reason)) ?? [] }));
}

/**
 * Returns the reason for a trial's end, with names and units for readers: `KV cache (computed) at 1K is 2.10
 * MB, budget at most 1.20 MB`.
 */
export function readableReason(
  { reason, overBudget }: Pick<ReportTrial, "reason" | "overBudget">,
  data: ReportData,
): string {
  if (overBudget === undefined) return reason ?? "no reason recorded";
  const texts = overBudget.violations.map(({ metric, limit, bound, value }) => {
    const unit = data.trials.find((trial) => trial.metrics[metric])?.metrics[metric]?.unit;
    const shown = (number: number): string =>
      unit === undefined ? String(number) : formatValue(number, unit);
    const least = limit === "max" ? "at most" : "at least";
    return `${metricLabel(metric)} is ${shown(value)}, budget ${least} ${shown(bound)}`;
  });
  const { again } = overBudget;
  return `${texts.join("; ")}${again === null ? "" : `, when it was ${again} once more`}`;
}

/**
 * Returns a pattern with shortened runs of equal layers: `c3 c3 g c3` becomes `2[c3] g c3`, which the
 * notation parser reads.
 */
export function compressPattern(pattern: string): string {
  const runs: { token: string; count: number }[] = [];
  for (const token of pattern.split(/\s+/).filter(Boolean)) {
    const last = runs.at(-1);
    if (last?.token === token) last.count++;
    else runs.push({ token, count: 1 });
  }
  return runs.map(({ token, count }) => (count > 1 ? `${count}[${token}]` : token)).join(" ");
}
