// Metrics that need no device: exact counts of the static cost model, by the names that objectives and
// budgets use.
import { staticCost } from "../candidates/cost.ts";
import type { Layout } from "../candidates/layout.ts";
import type { Quantization } from "../candidates/quantization.ts";
import { attentionCount } from "../candidates/space.ts";
import type { Metric } from "./device-metrics.ts";
import { type CountedMetric, countedMetrics, metricKinds } from "./metrics/kinds.ts";
import { metricName, parseMetricName } from "./metrics/name.ts";

const isCounted = (base: string): base is CountedMetric =>
  (countedMetrics as readonly string[]).includes(base);

/** Longest context for which costs are counted. */
const MAX_CONTEXT = 9_999_999;

/**
 * Returns the value of `parameters`, `kvBytes@1024`, ...; null when `name` is no static metric. A metric that
 * depends on the context needs one in its name.
 */
export function staticMetric(name: string, layout: Layout, quantization: Quantization): Metric | null {
  const { base, context } = parseMetricName(name);
  if (!isCounted(base) || name !== metricName({ base, context })) return null;
  const { per, unit } = metricKinds[base];
  if ((context !== null) !== (per === "context") || (context ?? 0) > MAX_CONTEXT) return null;
  const cost = staticCost(layout, { context: context ?? 0, quantization });
  const value = base === "attentionLayers" ? attentionCount(layout) : cost[base];
  return { name, value, unit, samples: [], stable: true };
}
