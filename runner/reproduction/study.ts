// What the minimal-hybrid study knows: its designed layouts with their trials, the metrics it speaks of, and how figures with their
// errors are written. What is concluded from them is in the files of the answers.
import { formatNumber, formatValue } from "../../reports/format.ts";
import { metricLabel, parseMetricName } from "../../reports/metrics.ts";
import {
  type Estimate,
  estimate,
  type PooledSpread,
  pooledSpread,
  ratioOf,
} from "../../search/statistics.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point } from "../findings/context.ts";
import type { Designed } from "./design.ts";

/** Differences of a time or a size below this do not count, whatever their interval. */
export const MATTERS = 0.02;
/** Quality given up freely, in the metric's own unit; on top of the seeds' error. */
export const TOLERANCE = 0.01;
/** Below this share of right answers a task was not learnt by any proxy, and orders of layouts are orders of luck. */
const LEARNT = 0.5;

export const layers = (count: number): string => `${count} attention layer${count === 1 ? "" : "s"}`;

export interface Measured extends Designed {
  readonly point: Point;
}

/** Names of the metrics that the study speaks of, as the sweep measured them. */
interface Names {
  readonly qualities: readonly Objective[];
  readonly ttft: string;
  readonly p95: string;
  readonly memory: string;
}

/** Null where the sweep does not measure what the study asks about. */
export function namesOf({ config, objectives, points }: FindingsContext): Names | null {
  const context = Math.max(...config.measure.contexts);
  const device = config.measure.devices[0]!;
  const names = {
    qualities: objectives.filter(({ name }) => parseMetricName(name).device === null && name.includes(".")),
    ttft: `ttftMs@${context}:${device}`,
    p95: `decodeP95Ms@${context}:${device}`,
    memory: `peakBytes:${device}`,
  };
  const has = (name: string): boolean => points.every(({ metrics }) => name in metrics);
  return names.qualities.length > 0 && [names.ttft, names.p95, names.memory].every(has) ? names : null;
}

export class Study {
  private readonly spreads: ReadonlyMap<string, PooledSpread | null>;

  constructor(
    readonly context: FindingsContext,
    readonly measured: readonly Measured[],
    readonly pattern: Measured,
    readonly names: Names,
  ) {
    this.spreads = new Map(
      names.qualities.map(({ name }) => [
        name,
        pooledSpread(context.points.map(({ raw }) => raw[name]!.samples)),
      ]),
    );
  }

  quality({ raw }: Point, name: string): Estimate {
    return estimate(raw[name]!.samples, this.spreads.get(name) ?? null);
  }

  shownQuality(point: Point, { name, unit }: Objective): string {
    const { value, low, high } = this.quality(point, name);
    const half = (high - low) / 2;
    return Number.isFinite(half)
      ? `${formatValue(value, unit)} ± ${formatNumber(half, 2)}`
      : formatValue(value, unit);
  }

  ratio(a: Measured, b: Measured, name: string): Estimate {
    return ratioOf(a.point.raw[name]!.samples, b.point.raw[name]!.samples);
  }

  shown(name: string, { metrics, raw }: Point): string {
    return formatValue(metrics[name]!, raw[name]!.unit);
  }

  private row(one: Measured): string[] {
    const { ttft, p95, memory, qualities } = this.names;
    return [
      one.label,
      ...qualities.map((quality) => this.shownQuality(one.point, quality)),
      ...[ttft, p95, memory].map((name) => this.shown(name, one.point)),
    ];
  }

  private get head(): string[] {
    const { ttft, p95, memory, qualities } = this.names;
    return [
      "Layout",
      ...qualities.map(({ name }) => metricLabel(name)),
      ...[ttft, p95, memory].map((name) => metricLabel(name, { device: false })),
    ];
  }

  table(rows: readonly Measured[]) {
    return { head: this.head, rows: rows.map((one) => this.row(one)) };
  }

  nameOf(id: string): string {
    return this.measured.find(({ point }) => point.id === id)?.label ?? id;
  }

  /** Tasks scored by a share of right answers that not one proxy learnt. */
  get unlearnt(): readonly Objective[] {
    return this.names.qualities.filter(
      ({ name, unit }) =>
        unit === "fraction" && this.context.points.every(({ metrics }) => metrics[name]! < LEARNT),
    );
  }

  unlearntNotes(): readonly string[] {
    return this.unlearnt.map(
      ({ name }) =>
        `No proxy learnt the task of ${metricLabel(name).toLowerCase()} (none reaches ${LEARNT}): its figures tell nothing about layouts. Train longer.`,
    );
  }

  pooledNote(): string {
    const parts = [...this.spreads].map(([name, spread]) =>
      spread === null
        ? `${metricLabel(name)}: one seed, so no interval`
        : `${metricLabel(name)}: standard deviation between seeds ${formatNumber(spread.sd)}`,
    );
    return `Intervals are 95%, from the spread between seeds pooled over all layouts (${parts.join("; ")}); times are medians of the repetitions.`;
  }

  times({ value, low, high }: Estimate): string {
    return `${formatNumber(value)}x [${formatNumber(low)}, ${formatNumber(high)}]`;
  }
}
