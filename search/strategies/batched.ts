// Ask and tell for every strategy: initial candidates first, batches that wait for their outcomes, no
// candidate twice, exact save and restore. A strategy adds a Breeder, which makes the next batch from known
// outcomes.
import type { Rng } from "../../candidates/space.ts";
import { createRng, type RngState, type SeededRng } from "../rng.ts";
import type { Origin, Outcome, Proposal, SearchContext, Strategy } from "../strategy.ts";
import { Fresh } from "./fresh.ts";

/** The part that differs between strategies. Its complete state passes through save and restore. */
export interface Breeder<C> {
  /**
   * Candidates in a batch (the first batch is larger if there are more initial candidates). Infinity: a batch
   * never waits for outcomes.
   */
  readonly batch: number;
  /**
   * Returns up to `count` new candidates, each claimed from `fresh`. Fewer only when the space is exhausted.
   */
  breed(count: number, fresh: Fresh<C>, rng: Rng): Proposal<C>[];
  /** Receives the outcomes of a whole batch, in the order of its proposals. */
  learn(outcomes: readonly Outcome<C>[]): void;
  /** Receives new values of a learned outcome. Does nothing if the breeder no longer remembers it. */
  revise(outcome: Outcome<C>): void;
  save(): unknown;
  restore(state: unknown): void;
}

interface Queued<C> {
  readonly id: string;
  readonly candidate: C;
  readonly origin: Origin;
}

interface State<C> {
  readonly version: 1;
  readonly rng: RngState;
  readonly seen: readonly string[];
  /** False until the first ask. */
  readonly primed: boolean;
  /** Candidates bred but not yet asked for. */
  readonly queue: readonly Queued<C>[];
  /**
   * Ids of the current batch in the order of proposal. `told` holds the outcomes that arrived, of this batch
   * or from elsewhere.
   */
  readonly batch: readonly string[];
  readonly told: readonly Outcome<C>[];
  readonly breeder: unknown;
}

/** Implements a strategy around a breeder. */
export class Batched<C> implements Strategy<C> {
  private readonly breeder: Breeder<C>;
  private readonly context: SearchContext<C>;
  private readonly rng: SeededRng;
  private readonly fresh: Fresh<C>;
  private primed = false;
  private queue: Queued<C>[] = [];
  private batch: string[] = [];
  private told = new Map<string, Outcome<C>>();

  constructor(context: SearchContext<C>, breeder: Breeder<C>) {
    this.context = context;
    this.breeder = breeder;
    this.rng = createRng(context.seed);
    this.fresh = new Fresh(context.domain, context.seed);
    this.enqueue(
      context.initial
        .filter((candidate) => this.fresh.claim(candidate))
        .map((candidate) => ({ candidate, origin: { kind: "declared", parents: [], operator: null } })),
    );
  }

  ask(n: number): readonly Proposal<C>[] {
    if (!this.primed) this.prime();
    const asked: Proposal<C>[] = [];
    while (asked.length < n) {
      if (this.queue.length === 0 && !this.refill(n - asked.length)) break;
      const { candidate, origin } = this.queue.shift()!;
      asked.push({ candidate, origin });
    }
    return asked;
  }

  tell(outcomes: readonly Outcome<C>[]): void {
    for (const outcome of outcomes) {
      requireObjectives(outcome, this.context);
      if (this.isLearnt(outcome.id)) {
        this.breeder.revise(outcome);
        continue;
      }
      this.fresh.seen.add(outcome.id);
      this.told.set(outcome.id, outcome);
    }
    // Proposals whose outcomes arrived before the ask are known already.
    this.queue = this.queue.filter(({ id }) => !this.told.has(id));
  }

  save(): State<C> {
    return {
      version: 1,
      rng: this.rng.save(),
      seen: [...this.fresh.seen],
      primed: this.primed,
      queue: [...this.queue],
      batch: [...this.batch],
      told: [...this.told.values()],
      breeder: this.breeder.save(),
    };
  }

  restore(saved: unknown): void {
    const state = saved as State<C>;
    if (state?.version !== 1)
      throw new Error("the saved search state is of another version; start a new sweep");
    this.rng.restore(state.rng);
    this.fresh.seen.clear();
    for (const id of state.seen) this.fresh.seen.add(id);
    this.primed = state.primed;
    this.queue = [...state.queue];
    this.batch = [...state.batch];
    this.told = new Map(state.told.map((outcome) => [outcome.id, outcome]));
    this.breeder.restore(state.breeder);
  }

  /**
   * Before the first ask: learns outcomes from elsewhere, and fills the batch that the initial candidates
   * begin.
   */
  private prime(): void {
    this.primed = true;
    if (!this.waits) return;
    const begun = new Set(this.batch);
    const elsewhere = [...this.told.values()].filter(({ id }) => !begun.has(id));
    if (elsewhere.length > 0) this.breeder.learn(elsewhere);
    for (const { id } of elsewhere) this.told.delete(id);
    this.enqueue(this.breeder.breed(this.breeder.batch - this.batch.length, this.fresh, this.rng));
  }

  /** Breeds the next batch. Returns false if it cannot: for now (outcomes outstanding) or permanently. */
  private refill(wanted: number): boolean {
    if (this.waits) {
      if (this.batch.some((id) => !this.told.has(id))) return false;
      const place = new Map(this.batch.map((id, index) => [id, index]));
      const placeOf = ({ id }: Outcome<C>): number => place.get(id) ?? this.batch.length;
      this.breeder.learn([...this.told.values()].sort((a, b) => placeOf(a) - placeOf(b)));
    }
    this.told.clear();
    this.batch = [];
    this.enqueue(this.breeder.breed(this.waits ? this.breeder.batch : wanted, this.fresh, this.rng));
    return this.queue.length > 0;
  }

  /** True if the breeder has the outcome: it is known, not in the current batch, and not reported since. */
  private isLearnt(id: string): boolean {
    return this.waits && this.fresh.seen.has(id) && !this.told.has(id) && !this.batch.includes(id);
  }

  private get waits(): boolean {
    return Number.isFinite(this.breeder.batch);
  }

  private enqueue(proposals: readonly Proposal<C>[]): void {
    for (const { candidate, origin } of proposals) {
      const id = this.context.domain.id(candidate);
      this.queue.push({ id, candidate, origin });
      if (this.waits) this.batch.push(id);
    }
  }
}

/** Returns the known outcomes, with the one of the same id replaced by `outcome`. */
export const revised = <C>(known: readonly Outcome<C>[], outcome: Outcome<C>): readonly Outcome<C>[] =>
  known.map((one) => (one.id === outcome.id ? outcome : one));

/**
 * Complete means measured. A complete outcome without its objectives is the caller's fault, not a bad
 * candidate.
 */
function requireObjectives<C>(outcome: Outcome<C>, context: SearchContext<C>): void {
  if (outcome.state !== "complete") return;
  for (const { name } of context.objectives) {
    if (!Number.isFinite(outcome.metrics[name])) {
      throw new RangeError(
        `outcome ${outcome.id} is complete, but its objective "${name}" is ${outcome.metrics[name]}; tell it as failed`,
      );
    }
  }
}
