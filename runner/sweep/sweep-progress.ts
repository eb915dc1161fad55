// Reports a sweep's progress to the listener, and keeps its front: in memory for the hypervolume after each
// trial, in the store for other readers.
import { formatValue } from "../../reports/format.ts";
import { orient } from "../../search/pareto.ts";
import { proxyNotices } from "../config/proxy-notices.ts";
import type { Trial, TrialEnd } from "../store/trial-row.ts";
import { FrontHistory } from "./front-history.ts";
import { outcomeOf } from "./outcomes.ts";
import type { Repeated } from "./repeat.ts";
import type { SweepContext } from "./sweep-context.ts";

/**
 * The live hypervolume puts late trials in order up to this many trials. Beyond it, they keep the order in
 * which they ended.
 */
const FRONT_REPLAYS = 500;

export class SweepProgress {
  private readonly front = new FrontHistory(FRONT_REPLAYS);

  constructor(private readonly context: SweepContext) {}

  /** The hypervolume after each trial so far. */
  get hypervolumes(): readonly number[] {
    return this.front.hypervolumes.map(({ value }) => value);
  }

  /** Reports the state at the start: nothing, or the results of an earlier run. */
  started(name: string): void {
    const { store, sweepId, config } = this.context.sweep;
    const { listen } = this.context.run;
    const before = store.trials.all(sweepId).filter((trial) => trial.state !== "proposed");
    const finished = before.filter(({ state }) => state !== "screened").length;
    listen({ kind: "started", name, trials: config.search.trials, finished });
    for (const text of proxyNotices(config)) listen({ kind: "notice", text });
    this.front.add(before.filter((trial) => trial.state === "complete").map((trial) => this.pointOf(trial)));
    if (this.front.front.size > 0) this.tellFront();
  }

  finished(trial: Trial): void {
    const { store, sweepId, objectives } = this.context.sweep;
    const { metrics } = outcomeOf(store, trial);
    if (trial.state === "complete") {
      this.front.add([this.pointOf(trial)]);
      // Updates the stored front now, so that later queries of a large sweep are cheap.
      store.fronts.of(sweepId, objectives);
    }
    const onFront = this.front.front.has(trial.number);
    const values = objectives.flatMap(({ name, unit }) =>
      name in metrics ? [formatValue(metrics[name]!, unit)] : [],
    );
    this.context.run.listen({ kind: "trial", trial, onFront, values });
    if (onFront) this.tellFront();
  }

  /** Does the same as `finished`, for a trial as proposed and its end. */
  ended(trial: Trial, { cause, reason, violation, overBudget, state }: TrialEnd): void {
    const end = { cause: cause ?? null, reason: reason ?? null, violation: violation ?? null };
    this.finished({ ...trial, state, ...end, overBudget: overBudget ?? null });
  }

  /** Reports a repetition. The trial has new values then, and may be over budget. */
  repeated({ trial, joined, text }: Repeated): void {
    const { store, sweepId, objectives } = this.context.sweep;
    if (joined) {
      if (trial.state === "complete") this.front.add([this.pointOf(trial)]);
      else this.front.drop(trial.number);
      store.fronts.of(sweepId, objectives);
    }
    const onFront = this.front.front.has(trial.number);
    this.context.run.listen({ kind: "repeated", trial, onFront, text });
    if (joined) this.tellFront();
  }

  private pointOf(trial: Trial): { readonly number: number; readonly vector: readonly number[] } {
    const { store, objectives } = this.context.sweep;
    return { number: trial.number, vector: orient(outcomeOf(store, trial).metrics, objectives) };
  }

  private tellFront(): void {
    const hypervolume = this.front.hypervolumes.at(-1)?.value ?? 0;
    this.context.run.listen({ kind: "front", size: this.front.front.size, hypervolume });
  }
}
