// One number over several devices: the worst of them, or a weighted mean. Made from the devices' own metrics once all are known.
import type { Metric } from "./device-metrics.ts";

export const AGGREGATES = ["worst", "weighted"] as const;
export type AggregateKind = (typeof AGGREGATES)[number];

export interface Aggregate {
  readonly name: string;
  readonly kind: AggregateKind;
  readonly direction: "min" | "max";
  readonly unit: string;
  /** A device's metric and how much it counts. */
  readonly parts: readonly { readonly metric: string; readonly weight: number }[];
}

/**
 * `worst`: the largest of weight x value where less is better, the smallest of value / weight where more is. `weighted`: the weighted
 * geometric mean, which ranks alike whatever unit or speed class each device has; an arithmetic one would follow the slowest alone.
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

/** Null while a device's metric is missing. Samples are combined one by one where every device has as many. */
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
    // Devices are repeated together, so that their sessions are of one length.
    ...(samples.length > 0 &&
      parts[0]!.metric.sessions !== undefined && { sessions: parts[0]!.metric.sessions }),
    stable: parts.every(({ metric }) => metric.stable),
  };
}
