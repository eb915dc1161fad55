// Plans the next round of a sweep with `search.repeat`: proposals, and repetitions of complete trials whose
// uncertainty may move the front. Actions are ordered by expected gain per minute. Without `search.repeat` a
// batch keeps its order; some layouts are repeated at the end, so that errors are known (replicate.ts).
import type { Layout } from "../../candidates/layout.ts";
import type { Domain } from "../../search/domain.ts";
import { hypervolume, referencePoint } from "../../search/hypervolume.ts";
import { type Action, planRound } from "../../search/planning/next-action.ts";
import { type Repeatable, repetitionGains } from "../../search/planning/repetition-gain.ts";
import { createRng } from "../../search/rng.ts";
import type { PlannedRepetition, Repetition } from "../store/repetition-table.ts";
import type { Store } from "../store/store.ts";
import { IMPORTED_BATCH, type Trial } from "../store/trial-row.ts";
import { fitGains, type ScreenedBatch } from "./batch-screening.ts";
import { historyOf, linearPointsOf } from "./estimates.ts";
import { type Costs, costsOf } from "./minutes.ts";
import { nthOf, sourcesOf } from "./repetition-targets.ts";
import { replicatesOf } from "./replicate.ts";
import type { SweepFacts } from "./sweep-context.ts";
import { sampledPoint } from "./sweep-settled.ts";

export interface PlannedBatch extends ScreenedBatch {
  readonly repetitions: readonly PlannedRepetition[];
}

/** A possible next action: a proposal of the batch, or a repetition. */
interface Candidate extends Action {
  readonly proposal?: ScreenedBatch["proposals"][number];
  readonly repetition?: Omit<PlannedRepetition, "place">;
}

/** For a long sweep, the front and this many of the latest trials are considered. */
const LOOKED_AT = 300;

/**
 * Orders a screened batch and adds the repetitions that are worth their minutes. Returns the batch unchanged
 * until gains and minutes are known. `atOnce`: devices measure while the trainer trains.
 */
export function planBatch(
  screened: ScreenedBatch,
  domain: Domain<Layout>,
  sweep: SweepFacts,
  atOnce: boolean,
): PlannedBatch {
  const { store, sweepId, config } = sweep;
  const { repeat } = config.search;
  const unplanned: PlannedBatch = {
    ...screened,
    repetitions: screened.proposals.length === 0 || needsErrors(sweep) ? replicatesOf(sweep) : [],
  };
  if (repeat === undefined || unplanned.repetitions.length > 0) return unplanned;
  const trials = store.trials.all(sweepId);
  const open = screened.proposals.filter(({ end }) => end === undefined);
  const gains = open.length === 0 ? [] : gainsOf(open, screened, trials, domain, sweep);
  const costs = costsOf(sweep, trials, domain);
  if (gains === null || costs === null) return unplanned;

  const evaluations = open.map((proposal, n): Candidate => {
    const id = domain.id(proposal.candidate);
    return { kind: "evaluate", id, gain: gains[n]!, minutes: costs.evaluation(proposal.candidate), proposal };
  });
  const { repetitions, volume } = repetitionsOf(trials, costs, sweep);
  const left = (resource: "device" | "training"): number =>
    Math.max(0, repeat.share * costs.spent[resource] - costs.repeated[resource]);
  const round = planRound(evaluations, repetitions, {
    allowance: { device: left("device"), training: left("training") },
    atOnce,
    leastGain: repeat.minimumGain * volume,
  });
  const ended = screened.proposals.filter(({ end }) => end !== undefined);
  return {
    ...screened,
    proposals: [...round.flatMap(({ proposal }) => proposal ?? []), ...ended],
    repetitions: round.flatMap(({ repetition }, at) => {
      const place = round.slice(0, at).filter(({ kind }) => kind === "evaluate").length;
      return repetition === undefined ? [] : [{ ...repetition, place }];
    }),
  };
}

/**
 * Decisions before the end of the sweep need errors, so replicates are planned once there are enough layouts
 * to choose from.
 */
function needsErrors({ store, sweepId, config: { search } }: SweepFacts): boolean {
  if (search.repeat === undefined && search.settled === undefined) return false;
  return (store.trials.counts(sweepId).complete ?? 0) >= 2 * search.replicate.layouts;
}

/** Returns the unfinished work of a batch, in the planned order. */
export function workOf(store: Store, sweepId: number, batch: number): readonly (Trial | Repetition)[] {
  const all = [
    ...store.repetitions.batch(sweepId, batch).map((work) => ({ work, at: work.place })),
    ...store.trials.batch(sweepId, batch).map((work, place) => ({ work, at: place + 0.5 })),
  ];
  return all
    .filter(({ work }) => work.state === "proposed" || work.state === "planned")
    .sort((a, b) => a.at - b.at)
    .map(({ work }) => work);
}

/** Returns the trials whose values were changed by the repetitions of a batch. */
export function repeatedIn(store: Store, sweepId: number, batch: number): readonly Trial[] {
  const joined = store.repetitions.batch(sweepId, batch).filter(({ state }) => state === "joined");
  return store.trials.some([...new Set(joined.map(({ trialId }) => trialId))]);
}

/** Expected gains of proposals: from the screening, or computed here; null while too little is known. */
function gainsOf(
  proposals: ScreenedBatch["proposals"],
  { event }: ScreenedBatch,
  trials: readonly Trial[],
  domain: Domain<Layout>,
  sweep: SweepFacts,
): readonly number[] | null {
  const noted = new Map(event?.proposals.map(({ id, gain }) => [id, gain]));
  const known = proposals.map(({ candidate }) => noted.get(domain.id(candidate)) ?? null);
  if (known.every((gain) => gain !== null)) return known;
  const gainOf = fitGains(trials, domain, sweep);
  return gainOf && proposals.map(({ candidate }) => gainOf(candidate));
}

/**
 * All possible repetitions with their gains and minutes, and the hypervolume of which each gain is a share.
 */
function repetitionsOf(
  trials: readonly Trial[],
  costs: Costs,
  sweep: SweepFacts,
): { readonly repetitions: readonly Candidate[]; readonly volume: number } {
  const { store, sweepId, config, objectives } = sweep;
  const { limit } = config.search.repeat!;
  const front = new Set(store.fronts.of(sweepId, objectives));
  const complete = trials.filter(({ state }) => state === "complete");
  const latest = new Set(complete.slice(-LOOKED_AT));
  const looked = complete.filter((trial) => front.has(trial.id) || latest.has(trial));
  const points = linearPointsOf(
    looked.map((trial) => sampledPoint(store, trial)),
    objectives,
    historyOf(store, sweepId),
  );
  if (points.length === 0) return { repetitions: [], volume: 0 };
  const sources = objectives.map(({ name }) => sourcesOf(name, config));
  const chosen = store.repetitions.all(sweepId);
  const options = looked.flatMap((trial, point) =>
    (["measure", "train"] as const).flatMap((kind) => {
      const names = [...new Set(sources.flatMap((source) => source[kind]))];
      const own = chosen.filter((one) => one.trialId === trial.id && one.kind === kind);
      // An imported trial has no first measurement here that a repetition could join.
      if (names.length === 0 || own.length >= limit || trial.batch === IMPORTED_BATCH) return [];
      const asked: Repeatable = {
        point,
        objectives: sources.flatMap((source, m) => (source[kind].length > 0 ? [m] : [])),
        taken:
          own.filter(({ state }) => state === "joined").length +
          (kind === "train" ? config.score!.seeds.length : 1),
      };
      return [{ trial, kind, names, asked, nth: own.length + 1 }];
    }),
  );
  const gains = repetitionGains(
    points,
    options.map(({ asked }) => asked),
    createRng(config.seed),
  );
  const vectors = points.map(({ mean }) => mean);
  return {
    volume: hypervolume(vectors, referencePoint(vectors)),
    repetitions: options.flatMap(({ trial, kind, names, nth }, n): Candidate[] => {
      const gain = gains[n]!;
      if (gain === 0) return [];
      const minutes = costs.repetition(trial.id, kind, names);
      const jobs = { kind, sources: names, nth: nthOf(kind, nth, config) };
      return [
        {
          kind: kind === "measure" ? "remeasure" : "reseed",
          id: trial.candidateId,
          gain,
          minutes: { device: kind === "measure" ? minutes : 0, training: kind === "train" ? minutes : 0 },
          repetition: { trialId: trial.id, ...jobs, worth: { gain, minutes } },
        },
      ];
    }),
  };
}
