// The choices for the two axes of the trade-offs, and the metric of an axis on each device.
import { withoutDevice } from "../../profilers/metrics/name.ts";
import type { View, ViewMetric } from "../page/view.ts";

/** A metric on any device: `decodeTokensPerSecond@1024`, without the device. */
export interface AxisChoice {
  readonly id: string;
  readonly label: string;
}

const axisId = ({ key }: ViewMetric): string => withoutDevice(key);

/** Returns the choices for an axis: each metric once, without its device. */
export function axisChoices(view: View): readonly AxisChoice[] {
  const seen = new Map<string, AxisChoice>();
  for (const metric of view.metrics) {
    const id = axisId(metric);
    if (!seen.has(id)) seen.set(id, { id, label: metric.label });
  }
  return [...seen.values()];
}

/**
 * Returns speed (across) and quality (up): the first objective of a device and the first of no device; else
 * the first two.
 */
export function defaultAxes(view: View): readonly [string, string] {
  const objectives = view.objectives
    .map(({ key }) => view.metrics.find((metric) => metric.key === key))
    .filter((metric) => metric !== undefined);
  const speed = objectives.find((metric) => metric.device !== null);
  const quality = objectives.find((metric) => metric.device === null);
  const preferred = [speed, quality, ...objectives].filter((metric) => metric !== undefined).map(axisId);
  const ids = [...new Set([...preferred, ...axisChoices(view).map((choice) => choice.id)])];
  return [ids[0] ?? "", ids[1] ?? ids[0] ?? ""];
}

/**
 * Returns the metric of an axis on one device. Metrics of no device (recall, parameters) are the same
 * everywhere.
 */
export function metricOn(view: View, id: string, device: string): number {
  const on = view.metrics.findIndex((metric) => metric.device === device && axisId(metric) === id);
  return on >= 0 ? on : view.metrics.findIndex((metric) => metric.device === null && axisId(metric) === id);
}
