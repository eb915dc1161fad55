// The metric table (profilers/metrics/) for readers: labels, column heads, the order of metrics, and which of
// them come from an emulator. Names missing from the table are shown as words.
import type { AggregateKind } from "../profilers/device-aggregate.ts";
import type { Direction } from "../profilers/metrics/kinds.ts";
import { kindOf, type MetricName, parseMetricName, taskOfScore } from "../profilers/metrics/name.ts";
import { formatContext } from "./format.ts";
import type { ReportData, ReportMetric } from "./report-model.ts";

/** Name as words: `recall.accuracy` -> `Recall accuracy`, `someNewMs` -> `Some new ms`. */
const humanise = (base: string): string => {
  const words = base
    .replace(/[._]+/g, " ")
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** Returns the better direction by the sweep's objectives or the metric table; null if unknown. */
export function directionOf(name: string, data: Pick<ReportData, "objectives">): Direction | null {
  const objective = data.objectives.find((candidate) => candidate.name === name);
  return objective?.direction ?? kindOf(name)?.direction ?? null;
}

/** Label without context and device: `Decode speed`, `Recall accuracy`. */
function labelOf(name: string): string {
  const kind = kindOf(name);
  if (kind === undefined) return humanise(parseMetricName(name).base);
  return kind.from === "trained" ? `${humanise(taskOfScore(name)!)} ${kind.label}` : kind.label;
}

function shortOf(name: string): string {
  const kind = kindOf(name);
  if (kind === undefined) return humanise(parseMetricName(name).base).toLowerCase();
  return kind.from === "trained" ? `${humanise(taskOfScore(name)!).toLowerCase()} ${kind.short}` : kind.short;
}

/** Texts that replace a device for metrics over several devices. */
const OVER_DEVICES: Readonly<Record<string, string>> & Readonly<Record<AggregateKind, string>> = {
  worst: "on the worst device",
  weighted: "weighted over the devices",
};

/**
 * Returns e.g. `Decode speed at 1K on phone`. `device: false` omits the device, where its place on the page
 * names it.
 */
export function metricLabel(name: string, options: { readonly device?: boolean } = {}): string {
  const { context, batch, device, runtime } = parseMetricName(name);
  const parts = [labelOf(name)];
  if (context !== null) parts.push(`at ${formatContext(context)}`);
  if (batch > 1) parts.push(`batch ${batch}`);
  if (device !== null && options.device !== false) parts.push(OVER_DEVICES[device] ?? `on ${device}`);
  if (runtime !== null) parts.push(`(${runtime})`);
  return parts.join(" ");
}

const placeOf = ({ device, runtime }: MetricName): string =>
  (device ?? "") + (runtime === null ? "" : `/${runtime}`);

/** Returns a column head of two lines: `decode`, `1K phone`. */
export function shortLabel(name: string): readonly [string, string] {
  const parsed = parseMetricName(name);
  const { context, batch } = parsed;
  const length = context === null ? "" : formatContext(context) + (batch > 1 ? ` x${batch}` : "");
  return [shortOf(name), [length, placeOf(parsed)].filter(Boolean).join(" ")];
}

/** Returns names in order: objectives first, then by name. */
export function inOrder(
  names: Iterable<string>,
  { objectives }: Pick<ReportData, "objectives">,
): readonly string[] {
  const order = new Map(objectives.map(({ name }, index) => [name, index]));
  return [...names].sort((a, b) => {
    const [left, right] = [order.get(a) ?? objectives.length, order.get(b) ?? objectives.length];
    return left - right || (a < b ? -1 : 1);
  });
}

/** Returns every metric of any trial: objectives first, then by name. */
export function metricNames(data: ReportData): readonly string[] {
  const seen = new Set<string>();
  for (const trial of data.trials) for (const name of Object.keys(trial.metrics)) seen.add(name);
  return inOrder(seen, data);
}

export interface SampleRange {
  readonly low: number;
  readonly high: number;
  readonly n: number;
}

/** Returns the smallest and largest raw sample, or null for a value without samples. */
export function sampleRange(metric: ReportMetric): SampleRange | null {
  if (metric.samples.length === 0) return null;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const sample of metric.samples) {
    if (sample < low) low = sample;
    if (sample > high) high = sample;
  }
  return { low, high, n: metric.samples.length };
}

/** Returns the names of devices whose numbers come from an emulator. */
export const emulatedDevices = (data: Pick<ReportData, "devices">): ReadonlySet<string> =>
  new Set(data.devices.filter((device) => device.emulated).map((device) => device.name));

/** Returns true if a metric comes from an emulated device, or combines devices of which one is emulated. */
export const isEmulated = (name: string, emulated: ReadonlySet<string>): boolean => {
  const { device } = parseMetricName(name);
  if (device === null) return false;
  return emulated.has(device) || (device in OVER_DEVICES && emulated.size > 0);
};
