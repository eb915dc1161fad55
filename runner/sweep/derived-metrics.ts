// Metrics that are made of others: over several devices, and scores of several tasks.
import { aggregateMetric } from "../../profilers/device-aggregate.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { compositeMetric } from "../../profilers/tasks/composite.ts";
import type { SweepConfig } from "../config/config.ts";
import { resolveAggregates } from "./metric-names.ts";

/** Metrics over several devices, from those of each. */
export const aggregatesOf = (config: SweepConfig, metrics: readonly Metric[]): readonly Metric[] =>
  resolveAggregates(config).flatMap((one) => aggregateMetric(one, metrics) ?? []);

/** Scores made of others, from those. */
export const compositesOf = (config: SweepConfig, metrics: readonly Metric[]): readonly Metric[] =>
  Object.entries(config.score?.composite ?? {}).flatMap(
    ([name, components]) => compositeMetric(name, components, metrics) ?? [],
  );
