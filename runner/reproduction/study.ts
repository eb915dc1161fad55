// The data of the minimal-hybrid study: its designed layouts with their trials, the names of its metrics, its
// decisions, and figures with their errors as text. Conclusions are left to the files of the answers.
import { metricName, originOf, scoreOf, taskOfScore } from "../../profilers/metrics/name.ts";
import {
  type Estimate,
  estimate,
  type PooledSpread,
  pooledSpread,
} from "../../profilers/statistics/pooled.ts";
import { formatNumber, formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import { createRng } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point } from "../reading/findings-context.ts";
import { emptyRecord, type StatedPower, type StudyRecord } from "../reading/study-record.ts";
import { decideStudy, P95, type StudyDecisions, type StudyInput, TTFT } from "./decide/decide-study.ts";
import { type Endpoint, isLearnt } from "./decide/endpoint.ts";
import type { Decision } from "./decide/verdict.ts";
import { endpointsOf } from "./endpoints.ts";
import { inputOf } from "./input.ts";
import { missingMinutes, type Samples } from "./more-minutes.ts";
import { chancesText } from "./plan-text.ts";

/** Returns `1 attention layer`, `2 attention layers`, ... */
export const layers = (count: number): string => `${count} attention layer${count === 1 ? "" : "s"}`;

export interface Measured extends Designed {
  readonly point: Point;
}

/** Names of the study's metrics in its sweep. */
export interface Names {
  readonly qualities: readonly Objective[];
  readonly ttft: string;
  readonly p95: string;
  readonly memory: string;
}

/** Returns the objectives that come from training. */
export const qualitiesOf = (objectives: readonly Objective[]): readonly Objective[] =>
  objectives.filter(({ name }) => originOf(name) === "trained");

/** Returns the metrics by which the study judges the cost of a layout on a device. */
export const costsOf = (context: number, device: string): Pick<Names, "ttft" | "p95" | "memory"> => ({
  ttft: metricName({ base: TTFT, context, device }),
  p95: metricName({ base: P95, context, device }),
  memory: metricName({ base: "peakBytes", device }),
});

/** Returns the names of the study's metrics; null if the sweep does not measure them. */
export function namesOf({ config, objectives, points }: FindingsContext): Names | null {
  const context = Math.max(...config.measure.contexts);
  const device = config.measure.devices[0]!;
  const names = {
    qualities: qualitiesOf(objectives),
    ...costsOf(context, device),
  };
  const has = (name: string): boolean => points.every(({ metrics }) => name in metrics);
  return names.qualities.length > 0 && [names.ttft, names.p95, names.memory].every(has) ? names : null;
}

export class Study {
  readonly record: StudyRecord;
  readonly endpoints: readonly Endpoint[];
  readonly input: StudyInput;
  readonly decisions: StudyDecisions;
  private readonly spreads: ReadonlyMap<string, PooledSpread | null>;

  constructor(
    readonly context: FindingsContext,
    readonly measured: readonly Measured[],
    readonly pattern: Measured,
    readonly names: Names,
  ) {
    this.record = context.study ?? emptyRecord;
    const trained = measured.map(({ label, point }) => ({ label, number: point.number }));
    this.endpoints = endpointsOf(trained, names.qualities, context.config, this.record);
    this.spreads = new Map(
      names.qualities.map(({ name }) => [
        name,
        pooledSpread(context.points.map((point) => this.samples(point, name))),
      ]),
    );
    this.input = inputOf(this);
    this.decisions = decideStudy(this.input, createRng(context.config.seed));
  }

  /** Returns the scores of all seeds, including those after the sweep. */
  samples({ number, raw }: Point, name: string): readonly number[] {
    const runs = this.record.runs.get(number)?.get(taskOfScore(name)!) ?? [];
    const own = raw[name]!.samples;
    return runs.length > own.length ? runs.map(({ scores }) => scores[scoreOf(name)!]!) : own;
  }

  quality(point: Point, name: string): Estimate {
    return estimate(this.samples(point, name), this.spreads.get(name) ?? null);
  }

  shownQuality(point: Point, { name, unit }: Objective): string {
    const { value, low, high } = this.quality(point, name);
    const half = (high - low) / 2;
    return Number.isFinite(half)
      ? `${formatValue(value, unit)} ± ${formatNumber(half, 2)}`
      : formatValue(value, unit);
  }

  private row(one: Measured): string[] {
    const { ttft, p95, memory, qualities } = this.names;
    const { metrics, raw } = one.point;
    return [
      one.label,
      ...qualities.map((quality) => this.shownQuality(one.point, quality)),
      ...[ttft, p95, memory].map((name) => formatValue(metrics[name]!, raw[name]!.unit)),
    ];
  }

  table(rows: readonly Measured[]) {
    const { ttft, p95, memory, qualities } = this.names;
    const head = [
      "Layout",
      ...qualities.map(({ name }) => metricLabel(name)),
      ...[ttft, p95, memory].map((name) => metricLabel(name, { device: false })),
    ];
    return { head, rows: rows.map((one) => this.row(one)) };
  }

  nameOf(id: string): string {
    return this.measured.find(({ point }) => point.id === id)?.label ?? id;
  }

  /**
   * Returns the verdict of a decision that rests on these samples, and the additional minutes that would
   * decide it.
   */
  verdict(decision: Decision, samples: Samples): Pick<ReportFinding, "verdict" | "moreMinutes"> {
    const { verdict } = decision;
    if (verdict !== "undecidable" || this.unlearnt.length > 0) return { verdict };
    const moreMinutes = missingMinutes(decision, samples, this);
    return moreMinutes === null ? { verdict } : { verdict, moreMinutes };
  }

  /** Recall tasks that no layout learnt. */
  get unlearnt(): readonly Endpoint[] {
    return this.endpoints.filter((endpoint) => !isLearnt(endpoint));
  }

  unlearntNotes(): readonly string[] {
    return this.unlearnt.map(
      ({ task }) =>
        `No proxy learnt the task ${task} in half of its runs, so its figures say nothing about layouts. More minutes do not help; raise the training steps of ${task}.`,
    );
  }

  /** Returns the power of a question as stated before the run, and with the noise that the run found. */
  powerNotes(question: string): readonly string[] {
    const { stated, found } = this.record;
    const line = (said: StatedPower | null, when: string): readonly string[] =>
      (said?.power ?? [])
        .filter((row) => row.question === question)
        .map((row) => `Power ${when}: ${chancesText(row)}.`);
    if (stated === null)
      return [
        "This sweep has no planned test. For one, run: edgefront reproduce minimal-hybrid --minutes 60",
      ];
    return [...line(stated, "before the run"), ...line(found, "with the noise found")];
  }

  pooledNote(): string {
    const parts = [...this.spreads].map(([name, spread]) =>
      spread === null
        ? `${metricLabel(name)}: one seed, so no interval`
        : `${metricLabel(name)}: standard deviation between seeds ${formatNumber(spread.sd)}`,
    );
    return `The table's 95% intervals come from the spread between seeds, pooled over all layouts (${parts.join("; ")}). Times are medians of the repetitions.`;
  }
}
