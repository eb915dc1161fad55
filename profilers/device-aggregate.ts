// Combines several devices into one number: the worst device, or a weighted mean. Computed from the devices'
// own metrics once all are known.
import type { Metric } from "./device-metrics.ts";

export const AGGREGATES = ["worst", "weighted"] as const;
export type AggregateKind = (typeof AGGREGATES)[number];

export interface Aggregate {
  readonly name: string;
  readonly kind: AggregateKind;
  readonly direction: "min" | "max";
  readonly unit: string;
  /** Metric of each device, with its weight. */
  readonly parts: readonly { readonly metric: string; readonly weight: number }[];
}

/**
 * `worst`: the largest weight x value where less is better, the smallest value / weight where more is.
 * `weighted`: the weighted geometric mean, which gives the same order whatever the unit or speed of each
 * device. An arithmetic mean was rejected: it would follow the slowest device alone.
 */
function combine(
  { kind, direction }: Aggregate,
  parts: readonly { value: number; weight: number }[],
): number {
  if (kind === "worst") {
    return direction === "min"
      ? Math.max(...parts.map(({ value, weight }) => value * weight))
      : Math.min(...parts.map(({ value, weight }) => value / weight));
  }
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  return Math.exp(parts.reduce((sum, { value, weight }) => sum + weight * Math.log(value), 0) / total);
}

/**
 * Returns the combined metric; null while a device's metric is missing. Samples are combined one by one where
 * every device has equally many.
 */
export function aggregateMetric(aggregate: Aggregate, metrics: readonly Metric[]): Metric | null {
  const parts = aggregate.parts.flatMap(({ metric: name, weight }) => {
    const metric = metrics.find((other) => other.name === name);
    return metric === undefined ? [] : [{ metric, weight }];
  });
  if (parts.length < aggregate.parts.length) return null;
  const lengths = new Set(parts.map(({ metric }) => metric.samples.length));
  const samples = lengths.size > 1 ? [] : parts[0]!.metric.samples;
  return {
    name: aggregate.name,
    unit: aggregate.unit,
    value: combine(
      aggregate,
      parts.map(({ metric, weight }) => ({ value: metric.value, weight })),
    ),
    samples: samples.map((_, i) =>
      combine(
        aggregate,
        parts.map(({ metric, weight }) => ({ value: metric.samples[i]!, weight })),
      ),
    ),
    // Devices are repeated together, so their sessions have equal lengths.
    ...(samples.length > 0 &&
      parts[0]!.metric.sessions !== undefined && { sessions: parts[0]!.metric.sessions }),
    stable: parts.every(({ metric }) => metric.stable),
  };
}
