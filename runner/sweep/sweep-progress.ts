// Tells whoever listens how a sweep goes on, and keeps its front: in memory for the hypervolume after each trial, in the store for others.
import { formatValue } from "../../reports/format.ts";
import { orient } from "../../search/pareto.ts";
import { proxyNotices } from "../config/proxy-notices.ts";
import type { Trial, TrialEnd } from "../store/trial-row.ts";
import { FrontHistory } from "./front-history.ts";
import { outcomeOf } from "./outcomes.ts";
import type { Repeated } from "./repeat.ts";
import type { SweepContext } from "./sweep-context.ts";

/** Trials up to which the live hypervolume puts those that ended late in their order; beyond, the order they ended in will do. */
const FRONT_REPLAYS = 500;

export class SweepProgress {
  private readonly front = new FrontHistory(FRONT_REPLAYS);

  constructor(private readonly context: SweepContext) {}

  /** After each trial so far. */
  get hypervolumes(): readonly number[] {
    return this.front.hypervolumes.map(({ value }) => value);
  }

  /** Says what the sweep begins with: nothing, or what an earlier run of it finished. */
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
      // Kept up to date as it goes, so that asking for it of a large sweep costs nothing.
      store.fronts.of(sweepId, objectives);
    }
    const onFront = this.front.front.has(trial.number);
    const values = objectives.flatMap(({ name, unit }) =>
      name in metrics ? [formatValue(metrics[name]!, unit)] : [],
    );
    this.context.run.listen({ kind: "trial", trial, onFront, values });
    if (onFront) this.tellFront();
  }

  /** As `finished`, of a trial as it was proposed and the end it came to. */
  ended(trial: Trial, { cause, reason, violation, overBudget, state }: TrialEnd): void {
    const end = { cause: cause ?? null, reason: reason ?? null, violation: violation ?? null };
    this.finished({ ...trial, state, ...end, overBudget: overBudget ?? null });
  }

  /** A trial that was measured or trained once more has other values then, and may be over budget. */
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
