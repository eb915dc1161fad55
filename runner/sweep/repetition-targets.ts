// Names the jobs of a repetition: the devices and tasks that a metric comes from, and the next measurement
// number or seed of each.
import { parseMetricName, taskOfScore } from "../../profilers/metrics/name.ts";
import { compositeName } from "../../profilers/tasks/composite.ts";
import type { SweepConfig } from "../config/config.ts";
import type { JobKind } from "../store/job-target.ts";
import { resolveAggregates } from "./metric-names.ts";

/**
 * Returns the number of a trial's nth repetition: its next measurement on each device, or the next unused
 * seed of each task.
 */
export const nthOf = (kind: JobKind, repetition: number, { score }: SweepConfig): number =>
  kind === "measure" ? repetition + 1 : Math.max(...score!.seeds) + repetition;

/** Returns the devices and tasks that a metric is computed from, by kind of job. */
export function sourcesOf(metric: string, config: SweepConfig): Readonly<Record<JobKind, readonly string[]>> {
  const { measure, score } = config;
  const aggregate = resolveAggregates(config).find(({ name }) => name === metric);
  const composite = Object.entries(score?.composite ?? {}).find(([name]) => compositeName(name) === metric);
  const parts = aggregate?.parts ?? composite?.[1];
  if (parts !== undefined) {
    const all = parts.map((part) => sourcesOf(part.metric, config));
    return { measure: all.flatMap((one) => one.measure), train: all.flatMap((one) => one.train) };
  }
  const { device } = parseMetricName(metric);
  return {
    measure: measure.devices.filter((name) => name === device),
    train: Object.keys(score?.tasks ?? {}).filter((name) => taskOfScore(metric) === name),
  };
}
