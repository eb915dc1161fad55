// Screens each batch of proposals with a predictor fitted to this sweep's measurements, before any is
// measured. Verdicts are written in the transaction of the proposals, so a resumed sweep finds them instead
// of drawing them again.

import type { Layout } from "../../candidates/layout.ts";
import { kindOf, metricName, parseMetricName } from "../../profilers/metrics/name.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import type { Domain } from "../../search/domain.ts";
import { judge } from "../../search/judge.ts";
import { byWorth, fitGain } from "../../search/screening/gain.ts";
import { type Foresight, fitScreen, isAudit, type Tried } from "../../search/screening/screen.ts";
import type { Proposal } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Trial, TrialEnd } from "../store/trial-row.ts";
import { outcomeOf } from "./outcomes.ts";
import type { SweepFacts } from "./sweep-context.ts";

/**
 * Returns whether a metric is predicted: times and memory are, because the costs of the layers add up. Rates
 * and scores are not.
 */
export function isPredicted(metric: string): boolean {
  const kind = kindOf(metric);
  return kind?.from === "measured" && kind.isPredicted;
}
/** Only the latest trials of a long sweep are used: the time to fit grows with the cube of their number. */
const LOOKED_AT = 300;
/** Default size of a batch. Small batches let earlier results screen, or plan, the later proposals. */
export const SCREENED_BATCH = 8;

/** The prediction for one proposal, and the verdict that followed. */
export interface ScreeningNote {
  readonly id: string;
  readonly verdict: "passed" | "screened" | "audited";
  readonly predictions: Foresight["predictions"];
  readonly chance: number | null;
  readonly gain: number | null;
}

/** An event of kind `screening`: one for each batch. */
export interface ScreeningEvent {
  readonly batch: number;
  readonly coverage: number;
  readonly proposals: readonly ScreeningNote[];
}

export interface ScreenedBatch {
  readonly proposals: readonly (Proposal & { readonly end?: TrialEnd })[];
  readonly event: Omit<ScreeningEvent, "batch"> | null;
}

const measuredStates: readonly string[] = ["complete", "infeasible", "stopped"];

function triedOf({ store, config }: SweepFacts, trials: readonly Trial[]): readonly Tried[] {
  return trials.flatMap((trial) => {
    const { layout, state } = trial;
    const { metrics, ranOut = false } = outcomeOf(store, trial);
    // A trial over a budget on a counted metric never ran on a device.
    const tried = config.measure.devices.some((device) => metricName({ base: "loadMs", device }) in metrics);
    return ranOut || (tried && measuredStates.includes(state)) ? [{ layout, metrics, ranOut }] : [];
  });
}

/**
 * Judges a batch and orders it: the proposals that are expected to add most to the front come first. Returns
 * the batch unchanged without `search.screening`.
 */
export function screenBatch(
  asked: readonly Proposal[],
  domain: Domain<Layout>,
  sweep: SweepFacts,
): ScreenedBatch {
  const { store, sweepId, config, budgets } = sweep;
  const { screening } = config.search;
  if (screening === undefined || asked.length === 0) return { proposals: asked, event: null };
  const trials = store.trials.all(sweepId);
  const foresee = fitScreen(triedOf(sweep, latestEnded(trials)), {
    budgets,
    features: domain,
    coverage: screening.coverage,
    leastChance: screening.leastChance,
    contextOf: (metric) =>
      isPredicted(metric) ? (parseMetricName(metric).context ?? Math.max(...config.measure.contexts)) : null,
  });
  const gainOf = fitGains(trials, domain, sweep);
  if (foresee === null && gainOf === null) return { proposals: asked, event: null };

  let against = notesOf(sweep).filter(({ verdict }) => verdict !== "passed").length;
  const judged = asked.map((proposal) => {
    const layout = proposal.candidate;
    const gain = gainOf?.(layout) ?? null;
    const found = foresee === null || isKnownOver(layout, config, budgets) ? null : foresee(layout);
    const note = {
      id: domain.id(layout),
      predictions: found?.predictions ?? [],
      chance: found?.chance ?? null,
      gain,
    };
    if (found === null || found.against === null)
      return { proposal, note: { ...note, verdict: "passed" as const } };
    if (isAudit(against++, screening.audit))
      return { proposal, note: { ...note, verdict: "audited" as const } };
    const end: TrialEnd = { state: "screened", ...found.against };
    return { proposal: { ...proposal, end }, note: { ...note, verdict: "screened" as const } };
  });
  const ordered = byWorth(judged, ({ note }) => note.gain ?? 0);
  return {
    proposals: ordered.map(({ proposal }) => proposal),
    event: { coverage: screening.coverage, proposals: ordered.map(({ note }) => note) },
  };
}

const latestEnded = (trials: readonly Trial[]): readonly Trial[] =>
  trials.filter(({ state }) => state !== "proposed" && state !== "screened").slice(-LOOKED_AT);

/**
 * Returns a function that estimates the hypervolume a layout would add, fitted to these trials; null until
 * enough are complete.
 */
export const fitGains = (
  trials: readonly Trial[],
  domain: Domain<Layout>,
  { store, objectives }: Pick<SweepFacts, "store" | "objectives">,
): ((layout: Layout) => number) | null =>
  fitGain(
    latestEnded(trials).map((trial) => outcomeOf(store, trial)),
    domain,
    objectives,
  );

/**
 * Such a layout needs no prediction: counted metrics are exact, so its trial ends as over budget at no cost.
 */
function isKnownOver(layout: Layout, { measure }: SweepConfig, budgets: SweepFacts["budgets"]): boolean {
  const known = budgets.flatMap(({ metric }) => staticMetric(metric, layout, measure.quantization) ?? []);
  const values = Object.fromEntries(known.map(({ name, value }) => [name, value]));
  return judge(budgets, values).state === "infeasible";
}

/** Returns all screening notes of a sweep, in the order of its batches. */
export const notesOf = ({
  store,
  sweepId,
}: Pick<SweepFacts, "store" | "sweepId">): readonly ScreeningNote[] =>
  store.events(sweepId, "screening").flatMap(({ data }) => (data as ScreeningEvent).proposals);

/**
 * Returns how many proposals to ask for next. Screened trials do not count as trials, but
 * `screening.candidates` limits how many more are proposed.
 */
export function leftToAsk({ store, sweepId, config }: SweepFacts, imported: number): number {
  const { trials, batch, screening, repeat } = config.search;
  const counts = store.trials.counts(sweepId);
  const all = store.trials.count(sweepId) - imported;
  const left = trials - (all - (counts.screened ?? 0));
  const atATime = batch ?? (screening === undefined && repeat === undefined ? left : SCREENED_BATCH);
  return Math.min(left, atATime, screening === undefined ? left : trials * screening.candidates - all);
}
