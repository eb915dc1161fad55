// The data that findings are computed from: complete trials with their values and samples, and the probe of
// each device.
import type { Layout } from "../../candidates/layout.ts";
import type { ReportMetric, ReportTrial } from "../../reports/report-model.ts";
import type { Budget } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Repetition } from "../store/repetition-table.ts";
import type { ScreeningEvent } from "../sweep/batch-screening.ts";
import type { History } from "../sweep/estimates.ts";
import type { RungRecord } from "../sweep/training-rungs.ts";
import type { StudyRecord } from "./study-record.ts";

/** A complete trial. */
export interface Point {
  readonly number: number;
  readonly id: string;
  readonly layout: Layout;
  readonly metrics: Readonly<Record<string, number>>;
  readonly raw: Readonly<Record<string, ReportMetric>>;
  readonly onFront: boolean;
}

/** A repetition, and the number of its trial. */
export interface Repeated extends Pick<Repetition, "kind" | "state"> {
  readonly number: number;
}

export interface FindingsContext {
  readonly config: SweepConfig;
  readonly objectives: readonly Objective[];
  readonly budgets: readonly Budget[];
  readonly points: readonly Point[];
  /** Every measured trial, including those over budget. */
  readonly measured: readonly Point[];
  /** Predictions of proposals, recorded before they were measured. */
  readonly foreseen: readonly ScreeningEvent[];
  /** Every planned repetition. */
  readonly repetitions: readonly Repeated[];
  /** Every verdict at a rung. */
  readonly rungs: readonly RungRecord[];
  /** Spread between sessions in earlier sweeps of the same devices. */
  readonly history: History;
  /** Hypervolume after each finished trial. */
  readonly hypervolumes: readonly number[];
  /** The work of a study beyond its sweep; absent when the sweep belongs to no study. */
  readonly study?: StudyRecord | undefined;
  unitOf(metric: string): string;
  /** Rates of a device's last probe; null where it was never probed. */
  rates(device: string): { readonly readBandwidthGBs: number; readonly int8Gops: number } | null;
}

/** Returns a reported trial in the form that findings use. */
export const pointOf = ({ number, id, layout, metrics, onFront }: ReportTrial): Point => ({
  number,
  id,
  layout,
  metrics: Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value])),
  raw: metrics,
  onFront,
});
