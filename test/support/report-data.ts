// TEST DATA for reports: a sweep in the form in which the store returns it. Layouts, ids, costs and the front
// are real (candidates/). The "measured" numbers come from a formula with seeded noise and were never
// measured.
import { staticCost } from "../../candidates/cost.ts";
import { isGlobalAttention, type Layout, layoutId } from "../../candidates/layout.ts";
import { namedLayouts, publishedNames } from "../../candidates/named.ts";
import { formatNotation, formatPattern } from "../../candidates/notation.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import type { ReportData, ReportDevice, ReportMetric, ReportTrial } from "../../reports/report-model.ts";

/** Returns mulberry32: a small seeded generator, sufficient for test data. */
export function testRng(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
  return { next, below: (n: number): number => Math.floor(next() * n) };
}

const published = new Map(publishedNames.map((name) => [layoutId(namedLayouts[name]!), name]));

interface TestDevice extends ReportDevice {
  readonly gflops: number;
  readonly gbs: number;
}
const device = (name: string, more: Partial<TestDevice>): TestDevice => ({
  name,
  transport: "ssh",
  arch: "aarch64",
  cpu: "Test CPU",
  isa: "neon-dotprod",
  threads: 4,
  memoryBytes: 8e9,
  emulated: false,
  agentSha256: "5f".repeat(32),
  gflops: 300,
  gbs: 40,
  ...more,
});
const DEVICES = [
  device("laptop", {
    transport: "local",
    arch: "x86_64",
    isa: "avx2",
    cpu: "AMD Ryzen AI 9 HX 370",
    memoryBytes: 32e9,
    gflops: 900,
    gbs: 80,
  }),
  device("phone", { cpu: "Snapdragon 8 Elite", gflops: 260, gbs: 55 }),
  device("qemu-arm", { cpu: "QEMU Virtual CPU", emulated: true, isa: "neon", gflops: 8, gbs: 2 }),
];

export interface TestReportOptions {
  readonly trials?: number;
  readonly seed?: number;
  readonly devices?: number;
  readonly sweep?: string;
  /** Number of raw samples of each measured metric. */
  readonly samples?: number;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** Returns the default test sweep: 60 trials of a 350M space on a laptop, a phone and an emulated device. */
export function testReportData(options: TestReportOptions = {}): ReportData {
  const {
    trials: count = 60,
    seed = 1,
    devices: deviceCount = 3,
    sweep = "test-hybrids-350m",
    samples = 5,
  } = options;
  const rng = testRng(seed);
  const devices = DEVICES.slice(0, deviceCount);
  const space = new Space(
    spaceSchema.parse({
      vocab: 65_536,
      width: 1024,
      depth: 16,
      mixers: ["c3", "c4", "c7", "g", "s256", "s1024"],
      heads: ["16/8x64"],
      parameters: "354M",
      attention: { min: 0, max: 10 },
    }),
  );
  const layouts: Layout[] = [namedLayouts["lfm2-350m"]!, namedLayouts["lfm2-350m-gqa"]!];
  const ids = new Set(layouts.map(layoutId));
  while (layouts.length < count) {
    const realized = space.realize(space.sampleGenome(rng));
    if (!realized.ok || ids.has(layoutId(realized.layout))) continue;
    ids.add(layoutId(realized.layout));
    layouts.push(realized.layout);
  }

  const sampled = (value: number, unit: string, noise: number): ReportMetric => {
    const wild = rng.next() < 0.03;
    const spread = wild ? noise * 8 : noise;
    const values = Array.from(
      { length: samples },
      () => value * (1 + spread * (rng.next() + rng.next() - 1)),
    );
    const provenance = {
      agent: "5f5f5f5f",
      isa: "avx2",
      threads: "4",
      "°C": (41 + 3 * rng.next()).toFixed(1),
    };
    return { value: median(values), unit, samples: values, stable: !wild, provenance };
  };
  const first = devices[0]!.name;
  const objectives = [
    { name: `ttftMs@1024:${first}`, direction: "min" as const, unit: "ms" },
    { name: `decodeTokensPerSecond@4096:${first}`, direction: "max" as const, unit: "tok/s" },
    { name: "recall.accuracy", direction: "max" as const, unit: "fraction" },
  ];
  const budgets = [
    { metric: `ttftMs@1024:${first}`, max: 920 },
    { metric: `peakBytes:${first}`, max: 268e6 },
  ];

  const trials = layouts.slice(0, count).map((layout, number): ReportTrial => {
    const base = {
      number,
      id: layoutId(layout),
      notation: formatNotation(layout),
      pattern: formatPattern(layout),
      layout,
      published: published.get(layoutId(layout)) ?? null,
      onFront: false,
    };
    const metrics: Record<string, ReportMetric> = {};
    const { parameters } = staticCost(layout, { context: 1024, quantization: "q4_0" });
    if (number >= 2 && rng.next() < 0.04) {
      const reason =
        rng.next() < 0.5 ? "crashed: SIGILL in shortconv on phone" : "training diverged at step 212";
      return { ...base, parameters, state: "failed", reason, metrics };
    }
    const global = layout.layers.filter(isGlobalAttention).length;
    const local = attentionCount(layout) - global;
    const luck = rng.next();
    const slowdown = 1 + 0.05 * global + 0.02 * local;
    for (const { name, gflops, gbs } of devices) {
      for (const context of [1024, 4096]) {
        const cost = staticCost(layout, { context, quantization: "q4_0" });
        const ttft = (cost.prefillFlops / (gflops * 1e9)) * 1e3 * slowdown * (1 + 0.1 * luck);
        metrics[`ttftMs@${context}:${name}`] = sampled(ttft, "ms", 0.02);
        metrics[`prefillTokensPerSecond@${context}:${name}`] = sampled((context / ttft) * 1e3, "tok/s", 0.02);
        metrics[`decodeTokensPerSecond@${context}:${name}`] = sampled(
          (gbs * 0.6e9) / cost.decodeBytes / (1 + 0.1 * luck),
          "tok/s",
          0.03,
        );
      }
      const resident = staticCost(layout, { context: 4096, quantization: "q4_0" }).residentBytes;
      metrics[`peakBytes:${name}`] = sampled(resident + 30e6, "bytes", 0.001);
    }
    metrics["recall.accuracy"] = sampled(
      (0.97 - 0.75 * Math.exp(-0.9 * global - 0.25 * local)) * (1 - 0.12 * rng.next()),
      "",
      0.02,
    );
    metrics["text.bitsPerByte"] = sampled(
      1.42 + 0.12 * Math.exp(-0.8 * (global + local)) + 0.01 * rng.next(),
      "bits/byte",
      0.004,
    );
    metrics.parameters = { value: parameters, unit: "parameters", samples: [], stable: true };
    const over = budgets.find((budget) => metrics[budget.metric]!.value > budget.max);
    const reason = over ? `over budget: ${over.metric} is ${Math.round(metrics[over.metric]!.value)}` : null;
    const parent = number > 16 ? layouts[rng.below(number)]! : null;
    const lineage = parent === null ? {} : { parents: [layoutId(parent)], origin: "mutation: swap" };
    return { ...base, ...lineage, parameters, state: over ? "infeasible" : "complete", reason, metrics };
  });

  const cost = (trial: ReportTrial): number[] =>
    objectives.map((o) => trial.metrics[o.name]!.value * (o.direction === "min" ? 1 : -1));
  const dominates = (a: readonly number[], b: readonly number[]): boolean =>
    a.every((value, i) => value <= b[i]!) && a.some((value, i) => value < b[i]!);
  const complete = trials.filter((trial) => trial.state === "complete");
  // Trials in order: one that the front does not dominate joins it, and stays until a later one dominates it.
  const spans: { readonly trial: ReportTrial; until: number | null }[] = [];
  let open: typeof spans = [];
  for (const trial of complete) {
    const own = cost(trial);
    if (open.some((span) => dominates(cost(span.trial), own))) continue;
    const left = open.filter((span) => dominates(own, cost(span.trial)));
    for (const span of left) span.until = trial.number;
    const joined = { trial, until: null };
    spans.push(joined);
    open = [...open.filter((span) => !left.includes(span)), joined];
  }
  const front = new Set(open.map(({ trial }) => trial));
  let volume = 0;
  return {
    sweep,
    createdAt: "2026-01-02T03:04:05.000Z",
    edgefrontVersion: "0.1.0",
    gitCommit: "c0ffee5",
    objectives,
    budgets,
    referencePoint: [2000, 0, 0],
    hypervolume: trials.map((trial) => {
      if (front.has(trial)) volume += (1 - volume) * 0.22;
      return { trial: trial.number, value: 40_000 * volume };
    }),
    frontSpans: spans.map(({ trial: { number }, until }) => ({ trial: number, from: number, until })),
    trials: trials.map((trial) => ({ ...trial, onFront: front.has(trial) })),
    timeline: trials.flatMap((trial) =>
      devices.map(({ name }, index) => ({
        lane: name,
        kind: "measure",
        trial: trial.number,
        startMs: trial.number * 9000 + index * 700,
        endMs: trial.number * 9000 + index * 700 + 6000 + 1500 * index,
        ok: trial.state !== "failed",
      })),
    ),
    devices: devices.map(({ gflops: _gflops, gbs: _gbs, ...rest }) => rest),
    configuration: {
      name: sweep,
      seed,
      space: {
        vocab: 65_536,
        width: 1024,
        depth: 16,
        mixers: ["c3", "c4", "c7", "g", "s256", "s1024"],
        parameters: "354M",
      },
      strategy: { name: "nsga2", population: 16 },
      budgets,
    },
    environment: { node: "v20.19.0", os: "Linux 6.1 x86_64", cpu: "Test CPU", compiler: "g++ 12.2.0" },
  };
}

export const HOSTILE = `</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">'"&\u202e\u001b[31m=cmd|'/c'!A1`;

/**
 * Returns the same sweep with markup, escapes and formulas in every string that a user or a device could have
 * chosen.
 */
export function hostileReportData(): ReportData {
  const data = testReportData({ trials: 24, devices: 2 });
  const evil = `phone${HOSTILE}`;
  const rename = (name: string): string => name.replace(":phone", `:${evil}`);
  return {
    ...data,
    sweep: HOSTILE,
    timeline: (data.timeline ?? []).map((span) => ({ ...span, lane: span.lane + HOSTILE, detail: HOSTILE })),
    gitCommit: HOSTILE,
    edgefrontVersion: HOSTILE,
    createdAt: HOSTILE,
    devices: data.devices.map((d) =>
      d.name === "phone"
        ? {
            ...d,
            name: evil,
            cpu: HOSTILE,
            isa: HOSTILE,
            transport: HOSTILE,
            arch: HOSTILE,
            agentSha256: HOSTILE,
          }
        : d,
    ),
    trials: data.trials.map((trial) => ({
      ...trial,
      notation: trial.notation + HOSTILE,
      published: trial.published === null ? null : HOSTILE,
      reason: trial.reason === null ? null : HOSTILE,
      metrics: Object.fromEntries(
        Object.entries(trial.metrics).map(([name, metric]) => [
          rename(name),
          { ...metric, unit: metric.unit === "bits/byte" ? HOSTILE : metric.unit },
        ]),
      ),
    })),
    configuration: { [HOSTILE]: HOSTILE },
    environment: { [HOSTILE]: HOSTILE },
  };
}
