// The names of everything that can be an objective or a budget, with units and the better direction.
// Full names: `ttftMs@1024:phone` (a device metric at a context), `ttftMs@1024x4:phone` (of a batch of 4 sequences), `peakBytes:phone`,
// `recall.accuracy` (a task's), `parameters`.

export interface MetricKind {
  readonly unit: string;
  readonly direction: "min" | "max";
  readonly description: string;
}

/** Measured on a device, once per asked context. */
export const contextMetrics = {
  ttftMs: { unit: "ms", direction: "min", description: "time until every sequence has its first token" },
  prefillTokensPerSecond: {
    unit: "tok/s",
    direction: "max",
    description: "prompt tokens per second, over all sequences",
  },
  decodeTokensPerSecond: {
    unit: "tok/s",
    direction: "max",
    description: "tokens decoded per second after that prefix, over all sequences",
  },
  decodeP10Ms: {
    unit: "ms",
    direction: "min",
    description:
      "10th percentile of the time between tokens: the least disturbed by other work on the device",
  },
  decodeP50Ms: { unit: "ms", direction: "min", description: "median time between the tokens of a sequence" },
  decodeP95Ms: {
    unit: "ms",
    direction: "min",
    description: "95th percentile of the time between the tokens of a sequence",
  },
} as const satisfies Record<string, MetricKind>;

/** Measured on a device, once per run. */
export const runMetrics = {
  peakBytes: {
    unit: "bytes",
    direction: "min",
    description: "peak resident memory of a fresh process (VmHWM)",
  },
  loadMs: { unit: "ms", direction: "min", description: "time to load the model" },
} as const satisfies Record<string, MetricKind>;

/** Known without measuring; at a context where one is needed. Budgets on these are checked before any measurement. */
export const staticMetrics = {
  parameters: { unit: "parameters", direction: "min", description: "parameter count" },
  weightBytes: { unit: "bytes", direction: "min", description: "bytes of all weights as quantised" },
  attentionLayers: { unit: "layers", direction: "min", description: "layers with attention of any kind" },
  kvBytes: { unit: "bytes", direction: "min", description: "KV cache at that context" },
  decodeFlops: { unit: "FLOP", direction: "min", description: "FLOPs of one decoded token at that context" },
  prefillFlops: { unit: "FLOP", direction: "min", description: "FLOPs of a prefill of that length" },
  decodeBytes: {
    unit: "bytes",
    direction: "min",
    description: "bytes touched for one decoded token at that context",
  },
} as const satisfies Record<string, MetricKind>;

export type ContextMetric = keyof typeof contextMetrics;
export type RunMetric = keyof typeof runMetrics;
export type StaticMetric = keyof typeof staticMetrics;

/** Static metrics that depend on the context length. */
export const staticAtContext: ReadonlySet<string> = new Set<StaticMetric>([
  "kvBytes",
  "decodeFlops",
  "prefillFlops",
  "decodeBytes",
]);

export const contextMetricName = (
  metric: ContextMetric,
  context: number,
  device: string,
  batch = 1,
): string => `${metric}@${context}${batch > 1 ? `x${batch}` : ""}:${device}`;
export const runMetricName = (metric: RunMetric, device: string): string => `${metric}:${device}`;
