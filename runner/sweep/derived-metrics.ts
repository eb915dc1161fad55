// Metrics computed from other metrics: aggregates over several devices, and composite scores of several
// tasks.
import { aggregateMetric } from "../../profilers/device-aggregate.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { compositeMetric } from "../../profilers/tasks/composite.ts";
import type { SweepConfig } from "../config/config.ts";
import { resolveAggregates } from "./metric-names.ts";

/** Returns the aggregates over devices, from the metrics of each device. */
export const aggregatesOf = (config: SweepConfig, metrics: readonly Metric[]): readonly Metric[] =>
  resolveAggregates(config).flatMap((one) => aggregateMetric(one, metrics) ?? []);

/** Returns the composite scores, from the scores of the tasks. */
export const compositesOf = (config: SweepConfig, metrics: readonly Metric[]): readonly Metric[] =>
  Object.entries(config.score?.composite ?? {}).flatMap(
    ([name, components]) => compositeMetric(name, components, metrics) ?? [],
  );
