// Metric names and what they mean to a reader: `decodeTokensPerSecond@1024:phone` is decode speed after
// 1024 tokens on `phone`, `@1024x4` that of 4 sequences together.
// Unknown names are shown as they are; nothing here decides what is measured.
import { formatContext } from "./format.ts";
import type { ReportData, ReportMetric } from "./model.ts";

export interface MetricName {
  readonly base: string;
  readonly context: number | null;
  /** Sequences decoded together. */
  readonly batch: number;
  readonly device: string | null;
}

export function parseMetricName(name: string): MetricName {
  const match = /^([^@:]+)(?:@(\d+)(?:x(\d+))?)?(?::(.+))?$/s.exec(name);
  if (!match) return { base: name, context: null, batch: 1, device: null };
  return {
    base: match[1]!,
    context: match[2] === undefined ? null : Number(match[2]),
    batch: Number(match[3] ?? 1),
    device: match[4] ?? null,
  };
}

interface Known {
  readonly label: string;
  /** Narrow tables. */
  readonly short: string;
  readonly direction: "min" | "max";
}
const KNOWN: Readonly<Record<string, Known>> = {
  ttftMs: { label: "Time to first token", short: "TTFT", direction: "min" },
  prefillTokensPerSecond: { label: "Prefill speed", short: "prefill", direction: "max" },
  decodeTokensPerSecond: { label: "Decode speed", short: "decode", direction: "max" },
  decodeP10Ms: { label: "Undisturbed time per token", short: "token p10", direction: "min" },
  decodeP50Ms: { label: "Median time per token", short: "token p50", direction: "min" },
  decodeP95Ms: { label: "P95 time per token", short: "token p95", direction: "min" },
  loadMs: { label: "Load time", short: "load", direction: "min" },
  peakBytes: { label: "Peak memory", short: "memory", direction: "min" },
  parameters: { label: "Parameters", short: "params", direction: "min" },
  attentionLayers: { label: "Attention layers", short: "attention", direction: "min" },
  weightBytes: { label: "Weights (computed)", short: "weights", direction: "min" },
  kvBytes: { label: "KV cache (computed)", short: "KV cache", direction: "min" },
  decodeBytes: { label: "Bytes per decoded token (computed)", short: "B/token", direction: "min" },
  decodeFlops: { label: "FLOP per decoded token (computed)", short: "FLOP/token", direction: "min" },
  prefillFlops: { label: "FLOP of the prefill (computed)", short: "FLOP", direction: "min" },
};

/** Scores of tasks, named `<task>.<score>`. */
const SCORES: Readonly<Record<string, "min" | "max">> = { accuracy: "max", loss: "min", bitsPerByte: "min" };

/** `recall.accuracy` -> `Recall accuracy`, `someNewMs` -> `Some new ms`. */
const humanise = (base: string): string => {
  const words = base
    .replace(/[._]+/g, " ")
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** The better direction, where the sweep or the metric's nature says it. */
export function directionOf(name: string, data: Pick<ReportData, "objectives">): "min" | "max" | null {
  const objective = data.objectives.find((candidate) => candidate.name === name);
  const { base } = parseMetricName(name);
  return (
    objective?.direction ?? KNOWN[base]?.direction ?? SCORES[base.slice(base.lastIndexOf(".") + 1)] ?? null
  );
}

/** What stands in a device's place for a metric over several of them. */
const OVER_DEVICES: Readonly<Record<string, string>> = {
  worst: "on the worst device",
  weighted: "weighted over the devices",
};

/** `Decode speed after 1K tokens on phone`; without the device where the place already names it. */
export function metricLabel(name: string, options: { readonly device?: boolean } = {}): string {
  const { base, context, batch, device } = parseMetricName(name);
  const parts = [KNOWN[base]?.label ?? humanise(base)];
  if (context !== null) parts.push(`at ${formatContext(context)}`);
  if (batch > 1) parts.push(`batch ${batch}`);
  if (device !== null && options.device !== false) parts.push(OVER_DEVICES[device] ?? `on ${device}`);
  return parts.join(" ");
}

/** A column head of two lines: `decode`, `1K phone`. */
export function shortLabel(name: string): readonly [string, string] {
  const { base, context, batch, device } = parseMetricName(name);
  const length = context === null ? "" : formatContext(context) + (batch > 1 ? ` x${batch}` : "");
  const place = [length, device ?? ""].filter(Boolean).join(" ");
  return [KNOWN[base]?.short ?? humanise(base).toLowerCase(), place];
}

/** Objectives first, then by name. */
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

/** Every metric any trial has, objectives first, then by name. */
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

/** Smallest and largest raw sample, or null for a value without samples. */
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

/** Devices whose numbers come from an emulator, by name. */
export const emulatedDevices = (data: Pick<ReportData, "devices">): ReadonlySet<string> =>
  new Set(data.devices.filter((device) => device.emulated).map((device) => device.name));

export const isEmulated = (name: string, emulated: ReadonlySet<string>): boolean => {
  const { device } = parseMetricName(name);
  if (device === null) return false;
  return emulated.has(device) || (device in OVER_DEVICES && emulated.size > 0);
};
