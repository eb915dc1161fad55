// How proposals are made: the interface every strategy implements. A strategy sees candidates and results, never devices.
// Candidates are layouts wherever the product runs; the type parameter lets benchmarks bring other problems.
import type { Layout } from "../candidates/layout.ts";
import type { Space } from "../candidates/space.ts";
import type { Direction } from "../profilers/metrics/kinds.ts";
import type { Domain } from "./domain.ts";

/** One axis of the front. `name` is the metric's name among a trial's metrics. */
export interface Objective {
  readonly name: string;
  readonly direction: Direction;
  readonly unit: string;
}

/** What became of a proposal. Metrics exist only where they were measured. */
export interface Outcome<C = Layout> {
  readonly id: string;
  readonly layout: C;
  readonly state: "complete" | "infeasible" | "failed";
  readonly metrics: Readonly<Record<string, number>>;
  /** Sum of relative budget violations of an infeasible trial, where they are known; 0 where its training was stopped: others beat it. */
  readonly violation?: number;
  /** Memory or time ran out on a device: it says where layouts stop to fit, unlike other failures, which say nothing. */
  readonly ranOut?: boolean;
}

/** Where a candidate came from: kept with its trial, so that a front can be read back to what it grew from. */
export interface Origin {
  readonly kind: "declared" | "random" | "enumerated" | "mutation" | "crossover" | "imported";
  /** Ids of the candidates it was made from; empty where it was drawn, walked or declared. */
  readonly parents: readonly string[];
  /** What was done to them, e.g. `swap` or `two-point crossover, widen`; null without parents. */
  readonly operator: string | null;
}

export interface Proposal<C = Layout> {
  readonly candidate: C;
  readonly origin: Origin;
}

/** What a strategy is made from. */
export interface SearchContext<C> {
  readonly domain: Domain<C>;
  readonly objectives: readonly Objective[];
  readonly seed: number;
  /** Strategy options from the configuration, already checked against the strategy's own schema. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Candidates to propose before any other. */
  readonly initial: readonly C[];
}

/** The same over a declared space of layouts: what a sweep has at hand. */
export interface StrategyContext extends Omit<SearchContext<Layout>, "domain"> {
  readonly space: Space;
}

/**
 * Ask and tell. Proposals depend only on the context and on what was told, so that a saved state resumes to the same
 * proposals; how asks are cut up (one of 4, four of 1) does not matter, nor the order of tells within a batch.
 * `ask` never proposes a candidate twice. It may return fewer than n, and returns none while it waits for outcomes of its
 * current batch; none with nothing outstanding means that the space is exhausted. Every proposal must be told once, whatever
 * became of it. Outcomes that were never asked for (an earlier sweep's) may be told too: they are learnt from, and not
 * proposed again. An outcome told again (measured once more) takes the place of what was told before.
 */
export interface Strategy<C = Layout> {
  ask(n: number): readonly Proposal<C>[];
  tell(outcomes: readonly Outcome<C>[]): void;
  /** JSON-serialisable state, with the random generator's; `restore` on a fresh instance continues from it. */
  save(): unknown;
  restore(state: unknown): void;
}
