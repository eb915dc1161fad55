// The interface of strategies, which make proposals. A strategy sees candidates and results, never devices.
// Candidates are layouts in the product; the type parameter lets benchmarks use other problems.
import type { Layout } from "../candidates/layout.ts";
import type { Space } from "../candidates/space.ts";
import type { Direction } from "../profilers/metrics/kinds.ts";
import type { Domain } from "./domain.ts";

/** One axis of the front. `name` is a name among a trial's metrics. */
export interface Objective {
  readonly name: string;
  readonly direction: Direction;
  readonly unit: string;
}

/** The result of a proposal. Metrics exist only where they were measured. */
export interface Outcome<C = Layout> {
  readonly id: string;
  readonly layout: C;
  readonly state: "complete" | "infeasible" | "failed";
  readonly metrics: Readonly<Record<string, number>>;
  /**
   * Sum of relative budget violations of an infeasible trial, where known. 0 where training was stopped
   * because other trials dominated it.
   */
  readonly violation?: number;
  /**
   * True if memory or time ran out on a device. This shows the limits of a device; other failures carry no
   * such information.
   */
  readonly ranOut?: boolean;
}

/** Origin of a candidate. It is stored with its trial, so that the ancestors of a front can be traced. */
export interface Origin {
  readonly kind: "declared" | "random" | "enumerated" | "mutation" | "crossover" | "imported";
  /** Ids of the candidates it was made from. Empty where it was drawn, enumerated or declared. */
  readonly parents: readonly string[];
  /** Operators applied to the parents, e.g. `swap` or `two-point crossover, widen`; null without parents. */
  readonly operator: string | null;
}

export interface Proposal<C = Layout> {
  readonly candidate: C;
  readonly origin: Origin;
}

/** Inputs of a strategy. */
export interface SearchContext<C> {
  readonly domain: Domain<C>;
  readonly objectives: readonly Objective[];
  readonly seed: number;
  /** Strategy options from the configuration, checked against the strategy's own schema. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Candidates to propose before any other. */
  readonly initial: readonly C[];
}

/** Inputs of a strategy over a declared space of layouts, as a sweep has them. */
export interface StrategyContext extends Omit<SearchContext<Layout>, "domain"> {
  readonly space: Space;
}

/**
 * Ask and tell. Proposals depend only on the context and on reported outcomes, so that a saved state resumes to
 * the same proposals. The split of asks (one of 4, four of 1) does not matter, nor does the order of tells
 * within a batch. `ask` never proposes a candidate twice. It may return fewer than n. It returns none while
 * it waits for outcomes of its current batch; none with nothing outstanding means that the space is
 * exhausted. Every proposal must be reported once, whatever its result. Outcomes that were never asked for (from
 * an earlier sweep) may be reported too: the strategy learns from them and does not propose them again. An
 * outcome reported again (after another measurement) replaces the earlier one.
 */
export interface Strategy<C = Layout> {
  ask(n: number): readonly Proposal<C>[];
  tell(outcomes: readonly Outcome<C>[]): void;
  /**
   * Returns the JSON-serialisable state, including the random generator's. `restore` on a fresh instance
   * continues from it.
   */
  save(): unknown;
  restore(state: unknown): void;
}
