// The metric table: every metric that a trial can have, with all its properties. A new metric is a row here.
// Objectives, budgets, screening, findings, reports and the page follow from it. name.ts writes and reads
// metric names.
import type { MeasuredContext, MeasureResult } from "../protocol.ts";
import { quantile } from "../statistics/summary.ts";

/** The better direction of a metric. */
export type Direction = "min" | "max";

/** Properties of a metric that objectives and budgets need. */
export interface MetricKind {
  readonly unit: string;
  readonly direction: Direction;
  readonly description: string;
}

interface Row extends MetricKind {
  /** Name for readers. A score's label follows the name of its task. */
  readonly label: string;
  /** Label for narrow tables. */
  readonly short: string;
  /** Short name for budgets on the command line: `ttft=300ms`. */
  readonly alias?: string;
}

/** The limiting phase of a metric on a device: prompt, successive tokens, memory, or loading. */
export type Phase = "prefill" | "decode" | "memory" | "load";

interface Measured extends Row {
  readonly from: "measured";
  readonly phase: Phase;
  /**
   * True if the metric is a sum over the costs of a layout's layers, so that it can be predicted. Rates and
   * load times are not.
   */
  readonly isPredicted: boolean;
}

/** Measured on a device, once per requested context. */
interface ContextKind extends Measured {
  readonly per: "context";
  /**
   * One value per repetition; undefined where the device does not report it. Rates count the tokens of all
   * sequences.
   */
  readonly samples: (context: MeasuredContext, batch: number) => readonly number[] | undefined;
}

/** Measured on a device, once per run. */
interface RunKind extends Measured {
  readonly per: "run";
  readonly samples: (result: MeasureResult) => readonly number[] | undefined;
  /**
   * Present only where the conditions of the measurement do not matter. Tells whether the value is reliable:
   * a throttled device is slower, but needs the same memory. Of several measurements the largest value
   * counts.
   */
  readonly isReliable?: (result: MeasureResult) => boolean;
}

/** Computed without measuring. Budgets on these metrics are checked before any measurement. */
interface CountedKind extends Row {
  readonly from: "counted";
  readonly per: "context" | "layout";
}

/** A score of a quality task, named `<task>.<score>`. */
interface TrainedKind extends Row {
  readonly from: "trained";
  readonly per: "task";
}

export type Kind = ContextKind | RunKind | CountedKind | TrainedKind;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const quantileOf = (values: readonly number[], q: number): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    q,
  );

const atContext = (row: Omit<ContextKind, "from" | "per">): ContextKind => ({
  from: "measured",
  per: "context",
  ...row,
});
const perRun = (row: Omit<RunKind, "from" | "per">): RunKind => ({ from: "measured", per: "run", ...row });
const counted = (per: CountedKind["per"], row: Row): CountedKind => ({ from: "counted", per, ...row });
const score = (row: Row): TrainedKind => ({ from: "trained", per: "task", ...row });

/** Returns a quantile of the time between the tokens of a sequence, as a metric. */
const timePerToken = (q: number, words: Omit<Row, "unit" | "direction">): ContextKind =>
  atContext({
    ...words,
    unit: "ms",
    direction: "min",
    phase: "decode",
    isPredicted: true,
    samples: ({ decodeMs }) => decodeMs.map((tokens) => quantileOf(tokens, q)),
  });

/** Every metric, in the order in which a sweep lists its metrics. */
export const metricKinds = {
  ttftMs: atContext({
    unit: "ms",
    direction: "min",
    label: "Time to first token",
    short: "TTFT",
    alias: "ttft",
    description: "time until every sequence has its first token",
    phase: "prefill",
    isPredicted: true,
    samples: ({ ttftMs }) => ttftMs,
  }),
  prefillTokensPerSecond: atContext({
    unit: "tok/s",
    direction: "max",
    label: "Prefill speed",
    short: "prefill",
    alias: "prefill",
    description: "prompt tokens per second, over all sequences",
    phase: "prefill",
    isPredicted: false,
    samples: ({ context, prefillMs }, batch) => prefillMs.map((ms) => (batch * context * 1000) / ms),
  }),
  decodeTokensPerSecond: atContext({
    unit: "tok/s",
    direction: "max",
    label: "Decode speed",
    short: "decode",
    alias: "decode",
    description: "tokens decoded per second after that prefix, over all sequences",
    phase: "decode",
    isPredicted: false,
    // (G - 1) / (t_G - t_1): the first token belongs to the prefill.
    samples: ({ decodeMs }, batch) => decodeMs.map((tokens) => (batch * tokens.length * 1000) / sum(tokens)),
  }),
  decodeP10Ms: timePerToken(0.1, {
    label: "Undisturbed time per token",
    short: "token p10",
    alias: "p10",
    description:
      "10th percentile of the time between tokens: the least disturbed by other work on the device",
  }),
  decodeP50Ms: timePerToken(0.5, {
    label: "Median time per token",
    short: "token p50",
    alias: "token",
    description: "median time between the tokens of a sequence",
  }),
  decodeP95Ms: timePerToken(0.95, {
    label: "P95 time per token",
    short: "token p95",
    alias: "p95",
    description: "95th percentile of the time between the tokens of a sequence",
  }),
  peakBytes: perRun({
    unit: "bytes",
    direction: "min",
    label: "Peak memory",
    short: "memory",
    alias: "memory",
    description: "peak resident memory of a fresh process (VmHWM)",
    phase: "memory",
    isPredicted: true,
    samples: ({ memory }) => [memory.peakBytes],
    isReliable: ({ memory }) => memory.swapBytes === 0,
  }),
  loadMs: perRun({
    unit: "ms",
    direction: "min",
    label: "Load time",
    short: "load",
    alias: "load",
    description: "time to load the model",
    phase: "load",
    isPredicted: false,
    samples: ({ loadMs }) => [loadMs],
  }),
  parameters: counted("layout", {
    unit: "parameters",
    direction: "min",
    label: "Parameters",
    short: "params",
    description: "parameter count",
  }),
  weightBytes: counted("layout", {
    unit: "bytes",
    direction: "min",
    label: "Weights (computed)",
    short: "weights",
    alias: "weights",
    description: "bytes of all weights as quantised",
  }),
  attentionLayers: counted("layout", {
    unit: "layers",
    direction: "min",
    label: "Attention layers",
    short: "attention",
    alias: "attention",
    description: "layers with attention of any kind",
  }),
  kvBytes: counted("context", {
    unit: "bytes",
    direction: "min",
    label: "KV cache (computed)",
    short: "KV cache",
    alias: "kv",
    description: "KV cache at that context",
  }),
  decodeFlops: counted("context", {
    unit: "FLOP",
    direction: "min",
    label: "FLOP per decoded token (computed)",
    short: "FLOP/token",
    description: "FLOPs of one decoded token at that context",
  }),
  prefillFlops: counted("context", {
    unit: "FLOP",
    direction: "min",
    label: "FLOP of the prefill (computed)",
    short: "FLOP",
    description: "FLOPs of a prefill of that length",
  }),
  decodeBytes: counted("context", {
    unit: "bytes",
    direction: "min",
    label: "Bytes per decoded token (computed)",
    short: "B/token",
    description: "bytes read and written for one decoded token at that context",
  }),
  accuracy: score({
    unit: "fraction",
    direction: "max",
    label: "accuracy",
    short: "accuracy",
    description: "share of right answers",
  }),
  loss: score({
    unit: "nats",
    direction: "min",
    label: "loss",
    short: "loss",
    description: "validation loss",
  }),
  bitsPerByte: score({
    unit: "bits/byte",
    direction: "min",
    label: "bits per byte",
    short: "bits per byte",
    description: "validation loss in bits per byte of text",
  }),
} satisfies Record<string, Kind>;

type Kinds = typeof metricKinds;
export type MetricBase = keyof Kinds;
type BaseOf<K extends Kind> = { [B in MetricBase]: Kinds[B] extends K ? B : never }[MetricBase];

export type ContextMetric = BaseOf<ContextKind>;
type RunMetric = BaseOf<RunKind>;
export type CountedMetric = BaseOf<CountedKind>;
export type ScoreMetric = BaseOf<TrainedKind>;

const basesOf = <B extends MetricBase>(from: Kind["from"], per?: Kind["per"]): readonly B[] =>
  (Object.keys(metricKinds) as MetricBase[]).filter(
    (base) => metricKinds[base].from === from && (per === undefined || metricKinds[base].per === per),
  ) as B[];

export const contextMetrics = basesOf<ContextMetric>("measured", "context");
export const runMetrics = basesOf<RunMetric>("measured", "run");
export const countedMetrics = basesOf<CountedMetric>("counted");

/** Short names that budgets may use, with their metrics. */
export const metricAliases: Readonly<Record<string, MetricBase>> = Object.fromEntries(
  Object.entries(metricKinds as Record<MetricBase, Kind>).flatMap(([base, { alias }]) =>
    alias === undefined ? [] : [[alias, base as MetricBase]],
  ),
);
