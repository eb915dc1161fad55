// Metrics that need no device: exact counts of the static cost model, by the names objectives and budgets use.
import { staticCost } from "../candidates/cost.ts";
import type { Layout } from "../candidates/layout.ts";
import type { Quantization } from "../candidates/quantization.ts";
import { attentionCount } from "../candidates/space.ts";
import type { Metric } from "./device-metrics.ts";
import { type StaticMetric, staticAtContext, staticMetrics } from "./metrics.ts";

const isStatic = (name: string): name is StaticMetric => name in staticMetrics;

/** The value of `parameters`, `kvBytes@1024`, ...; null when `name` is no static metric. Contexts must stand where needed. */
export function staticMetric(name: string, layout: Layout, quantization: Quantization): Metric | null {
  const [base, at, ...rest] = name.split("@") as [string, string?, ...string[]];
  if (!isStatic(base) || rest.length > 0 || (at !== undefined) !== staticAtContext.has(base)) return null;
  if (at !== undefined && !/^\d{1,7}$/.test(at)) return null;
  const cost = staticCost(layout, { context: Number(at ?? 0), quantization });
  const value = base === "attentionLayers" ? attentionCount(layout) : cost[base];
  return { name, value, unit: staticMetrics[base].unit, samples: [], stable: true };
}
