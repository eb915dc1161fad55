// Combines several scores into one, as a configuration declares it. Each component is scaled so that `from`
// is 0 and `to` is 1; then the weighted mean is taken. The components stay metrics of their own, so that
// nothing is hidden in the sum.
import { z } from "zod";
import type { Metric } from "../device-metrics.ts";
import type { MetricKind } from "../metrics/kinds.ts";
import { scoreName } from "../metrics/name.ts";

export const compositeSchema = z
  .array(
    z
      .strictObject({
        metric: z.string().describe("A score of a task, e.g. recall.accuracy"),
        weight: z.number().positive().default(1),
        from: z.number().describe("Its value that counts as 0,"),
        to: z.number().describe("and the one that counts as 1; below `from` where less is better."),
      })
      .refine((c) => c.from !== c.to, { message: "from and to must differ" }),
  )
  .min(1);
export type Composite = z.infer<typeof compositeSchema>;

/** Takes the place of the task in the name of a composite. */
export const COMPOSITE = "composite";
/** Returns the metric name of a composite. */
export const compositeName = (name: string): string => scoreName(COMPOSITE, name);

export const compositeKind = { unit: "score", direction: "max" } as const satisfies Partial<MetricKind>;

/**
 * Returns the composite, seed by seed where all components have equally many samples; null where a component
 * is missing.
 */
export function compositeMetric(
  name: string,
  components: Composite,
  metrics: readonly Pick<Metric, "name" | "value" | "samples">[],
): Metric | null {
  const parts = components.map((component) => ({
    ...component,
    found: metrics.find((metric) => metric.name === component.metric),
  }));
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (valueIn: (metric: Pick<Metric, "value" | "samples">) => number): number =>
    parts.reduce(
      (sum, { weight, from, to, found }) => sum + (weight * (valueIn(found!) - from)) / (to - from),
      0,
    ) / total;
  if (parts.some(({ found }) => found === undefined)) return null;
  const seeds = parts[0]!.found!.samples.length;
  const paired = parts.every(({ found }) => found!.samples.length === seeds);
  const value = mean((metric) => metric.value);
  const samples = paired
    ? Array.from({ length: seeds }, (_, seed) => mean((metric) => metric.samples[seed]!))
    : [value];
  return { name: compositeName(name), value, unit: compositeKind.unit, samples, stable: true };
}
