// Writes and reads metric names. `decodeP50Ms@1024x4:phone/llama.cpp` is a metric of the table at a context
// of 1024 tokens, with 4 sequences decoded together, on a device, run by an engine. `recall.accuracy` is a
// score of a task. Parts that do not apply are absent. A name of unknown form becomes a base as a whole, so
// that any stored name can be shown.
import { type Kind, metricKinds } from "./kinds.ts";

export interface MetricName {
  /** A metric of the table, or `<task>.<score>`. */
  readonly base: string;
  readonly context: number | null;
  /** Number of sequences decoded together. */
  readonly batch: number;
  readonly device: string | null;
  /** Engine that ran the layout; null for the native engine. */
  readonly runtime: string | null;
}

const PATTERN = /^([^@:]+?)(?:@(\d+)(?:x(\d+))?)?(?::(.+?))?(?:\/([a-z][a-z0-9.-]*))?$/s;

/** Reads a name. A name of unknown form becomes the base as a whole. */
export function parseMetricName(name: string): MetricName {
  const match = PATTERN.exec(name);
  if (!match) return { base: name, context: null, batch: 1, device: null, runtime: null };
  return {
    base: match[1]!,
    context: match[2] === undefined ? null : Number(match[2]),
    batch: Number(match[3] ?? 1),
    device: match[4] ?? null,
    runtime: match[5] ?? null,
  };
}

/** Writes a name. The inverse of `parseMetricName`. */
export function metricName({
  base,
  context = null,
  batch = 1,
  device = null,
  runtime = null,
}: Pick<MetricName, "base"> & Partial<MetricName>): string {
  const at = context === null ? "" : `@${context}${batch > 1 ? `x${batch}` : ""}`;
  return `${base}${at}${device === null ? "" : `:${device}`}${runtime === null ? "" : `/${runtime}`}`;
}

/** Returns the same metric without its device: `ttftMs@1024:phone` becomes `ttftMs@1024`. */
export const withoutDevice = (name: string): string => metricName({ ...parseMetricName(name), device: null });

/**
 * Returns the name of a metric on this device. A name that already has a device becomes one that no sweep
 * measures.
 */
export function onDevice(name: string, device: string): string {
  const { runtime } = parseMetricName(name);
  return runtime === null
    ? `${name}:${device}`
    : `${name.slice(0, -runtime.length - 1)}:${device}/${runtime}`;
}

/** Returns the name of a task's score, or of a composite of scores. */
export const scoreName = (task: string, score: string): string => `${task}.${score}`;

/** Returns the task of a score; null for other metrics. */
export function taskOfScore(name: string): string | null {
  const { base, device } = parseMetricName(name);
  const end = base.lastIndexOf(".");
  return device !== null || end < 0 ? null : base.slice(0, end);
}

/** Returns `accuracy` for `recall.accuracy`; null for metrics that are no score. */
export const scoreOf = (name: string): string | null => {
  const task = taskOfScore(name);
  return task === null ? null : parseMetricName(name).base.slice(task.length + 1);
};

/**
 * Returns whether a metric is measured on devices, trained, or counted without either. Also works for names
 * missing from the table.
 */
export function originOf(name: string): Kind["from"] {
  if (parseMetricName(name).device !== null) return "measured";
  return taskOfScore(name) === null ? "counted" : "trained";
}

/** Returns the table's row for a metric; undefined where there is none. */
export function kindOf(name: string): Kind | undefined {
  const { base } = parseMetricName(name);
  const key = base.slice(base.lastIndexOf(".") + 1);
  const kind: Kind | undefined = Object.hasOwn(metricKinds, key)
    ? metricKinds[key as keyof typeof metricKinds]
    : undefined;
  return (kind?.from === "trained") === base.includes(".") ? kind : undefined;
}
