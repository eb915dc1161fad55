// The new samples of one confirmation: which of them decide, which are reported, and what each layout's own
// samples show.
import { formatPattern } from "../../candidates/notation.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { emulatedDevices, isEmulated } from "../../reports/metrics.ts";
import type { ReportConfirmedLayout, ReportConfirmedMetric, ReportData } from "../../reports/report-model.ts";
import type { Budget } from "../../search/budgets.ts";
import type { Choice } from "../../search/selection/choice.ts";
import type { Confirmed, Fresh, FreshEstimate, Stage } from "../../search/selection/confirm.ts";
import type { StoredConfirmation } from "../store/confirmation-table.ts";
import type { Trial } from "../store/trial-row.ts";
import { freshMetrics, isTaken, type Round, takeRound } from "./confirm-rounds.ts";
import { estimatesOf, historyOf, scaleOf } from "./estimates.ts";
import type { SweepContext } from "./sweep-context.ts";

/** Takes new samples of the layouts of one confirmation, and estimates from them. */
export class ConfirmSamples {
  private readonly trials: ReadonlyMap<number, Trial>;
  /** Trials (ids) that are to blame for missing values, with the reason. */
  private readonly faults = new Map<number, string>();
  /** Trials whose rounds of a stage are taken. */
  private readonly taken: Readonly<Record<"check" | "report", Set<Trial>>> = {
    check: new Set(),
    report: new Set(),
  };
  private readonly emulated: ReadonlySet<string>;

  constructor(
    private readonly stored: StoredConfirmation,
    private readonly sessions: number,
    private readonly kept: readonly Budget[],
    private readonly data: ReportData,
    private readonly context: SweepContext,
  ) {
    this.trials = new Map(
      context.sweep.store.trials.all(context.sweep.sweepId).map((trial) => [trial.number, trial]),
    );
    this.emulated = emulatedDevices(data);
  }

  private rounds(stage: Stage): readonly Round[] {
    if (stage === "both") return [...this.rounds("check"), ...this.rounds("report")];
    const first = stage === "check" ? 0 : this.sessions;
    return Array.from({ length: this.sessions }, (_, n) => ({
      confirmation: this.stored.id,
      session: first + n + 1,
      seed: this.stored.firstSeed + first + n,
    }));
  }

  seedsOf(stage: "check" | "report"): readonly number[] {
    return this.context.place.tasks.length === 0 ? [] : this.rounds(stage).map(({ seed }) => seed);
  }

  /**
   * Measures and trains the missing rounds of a stage. Returns an estimate for each layout of the pair, from
   * the samples of that stage.
   */
  async take(pair: readonly Choice[], stage: Stage): Promise<ReadonlyMap<string, Fresh>> {
    const trials = pair.map(({ trial }) => this.trials.get(trial)!);
    if (stage !== "both") {
      for (const [n, round] of this.rounds(stage).entries()) {
        const able = trials.filter(({ id }) => !this.faults.has(id));
        if (able.length === 0) break;
        const what = stage === "check" ? "checking" : "measuring and training for the report";
        const names = able.map(({ number }) => `#${number}`).join(" and ");
        const text = `${what}: ${names}, session ${n + 1} of ${this.sessions}`;
        if (!able.every((trial) => isTaken(trial, round, this.context)))
          this.context.run.listen({ kind: "waiting", text });
        for (const [id, fault] of await takeRound(able, round, this.context)) this.faults.set(id, fault);
      }
      for (const trial of trials) this.taken[stage].add(trial);
    }
    const known = this.known(stage);
    return new Map(pair.map(({ id }, n) => [id, known.get(trials[n]!)!]));
  }

  /** Covers all layouts with samples of the stage: their spreads are pooled with those of the sweep. */
  private known(stage: Stage): ReadonlyMap<Trial, Fresh> {
    const { store, sweepId } = this.context.sweep;
    const counted = [
      ...this.kept.map(({ metric }) => metric),
      ...this.data.objectives.map(({ name }) => name),
    ];
    const taken = this.taken[stage === "both" ? "report" : stage];
    const fresh = new Map(
      [...taken].map((trial) => {
        const fault = this.faults.get(trial.id);
        return [trial, fault ?? freshMetrics(trial, this.rounds(stage), counted, this.context)];
      }),
    );
    const sampled = [...fresh].flatMap(([trial, metrics]) =>
      typeof metrics === "string" ? [] : [{ trial, metrics: byName(metrics) }],
    );
    const layouts = [...this.data.trials, ...sampled];
    const history = historyOf(store, sweepId);
    const names = new Set(sampled.flatMap(({ metrics }) => Object.keys(metrics)));
    const estimates = new Map([...names].map((name) => [name, estimatesOf(layouts, name, history)]));
    const first = this.data.trials.length;
    const places = new Map(sampled.map(({ trial }, n) => [trial, first + n]));
    const entry = (trial: Trial, name: string): readonly [string, FreshEstimate] => [
      name,
      { ...estimates.get(name)!.get(places.get(trial)!)!, scale: scaleOf(name) },
    ];
    return new Map(
      [...fresh].map(([trial, metrics]): [Trial, Fresh] => [
        trial,
        typeof metrics === "string"
          ? { fault: metrics }
          : { metrics: Object.fromEntries(metrics.map(({ name }) => entry(trial, name))) },
      ]),
    );
  }

  /** Returns a confirmed layout in the form that is stored and shown. */
  reported({ choice, fresh, budgets }: Confirmed): ReportConfirmedLayout {
    const trial = this.trials.get(choice.trial)!;
    const sampled = this.faults.has(trial.id)
      ? []
      : freshMetrics(
          trial,
          this.rounds("report"),
          this.kept.map(({ metric }) => metric),
          this.context,
        );
    const metrics = typeof sampled === "string" ? [] : sampled;
    const shown = (metric: Metric): ReportConfirmedMetric => {
      const known = "fault" in fresh ? undefined : fresh.metrics[metric.name];
      return {
        value: known?.value ?? metric.value,
        unit: metric.unit,
        low: known?.low ?? null,
        high: known?.high ?? null,
        samples: metric.samples.length,
        sessions: known?.sessions ?? 0,
        marks: [
          ...(metric.stable ? [] : ["unstable"]),
          ...(known?.standardError == null ? ["unknown error"] : []),
          ...(isEmulated(metric.name, this.emulated) ? ["emulated"] : []),
        ],
      };
    };
    return {
      id: choice.id,
      trial: choice.trial,
      notation: trial.notation,
      pattern: formatPattern(trial.layout),
      metrics: Object.fromEntries(metrics.map((metric) => [metric.name, shown(metric)])),
      budgets,
      fault: "fault" in fresh ? fresh.fault : null,
    };
  }
}

const byName = (metrics: readonly Metric[]): Readonly<Record<string, Metric>> =>
  Object.fromEntries(metrics.map((metric) => [metric.name, metric]));
