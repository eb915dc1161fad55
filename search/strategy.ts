// How proposals are made: the interface every strategy implements. A strategy sees layouts and results, never devices.
import type { Layout } from "../candidates/layout.ts";
import type { Space } from "../candidates/space.ts";

export type Direction = "min" | "max";

/** One axis of the front. `name` is the metric's name among a trial's metrics. */
export interface Objective {
  readonly name: string;
  readonly direction: Direction;
  readonly unit: string;
}

/** What became of a proposal, told back in the order of proposal. Metrics exist only where they were measured. */
export interface Outcome {
  readonly id: string;
  readonly layout: Layout;
  readonly state: "complete" | "infeasible" | "failed";
  readonly metrics: Readonly<Record<string, number>>;
  /** Sum of relative budget violations of an infeasible trial, where they are known. */
  readonly violation?: number;
}

export interface StrategyContext {
  readonly space: Space;
  readonly objectives: readonly Objective[];
  readonly seed: number;
  /** Strategy options from the configuration, already checked against the strategy's own schema. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Layouts to propose before any other. */
  readonly initial: readonly Layout[];
}

/**
 * Ask and tell. Proposals depend only on the context and on what was told, so that a saved state resumes to the same
 * proposals. `ask` may return fewer than n, and returns none when the space is exhausted. It never proposes a layout twice.
 */
export interface Strategy {
  ask(n: number): readonly Layout[];
  tell(outcomes: readonly Outcome[]): void;
  /** JSON-serialisable state, with the random generator's; `restore` on a fresh instance continues from it. */
  save(): unknown;
  restore(state: unknown): void;
}
