import { describe, expect, it } from "vitest";
import { namedLayouts } from "../../candidates/named.ts";
import { describeSamples, deviceMetrics } from "../../profilers/device-metrics.ts";
import { deviceContradiction, type GateInput, gateViolations } from "../../profilers/gates.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { quantile, summarise } from "../../profilers/statistics/summary.ts";
import { FLAGS, validityFlags } from "../../profilers/validity.ts";
import { createRng } from "../../search/rng.ts";

const result: MeasureResult = {
  isa: "scalar",
  threads: 1,
  batch: 1,
  affinity: [0],
  architecture: "lfm2",
  parameters: 1000,
  weightsFrom: "seed",
  modelSha256: "ab",
  plan: { weightBytes: 500, cacheBytes: 0, activationBytes: 0, overheadBytes: 0, predictedPeakBytes: 500 },
  loadMs: 3,
  firstTokenMs: 9,
  contexts: [
    {
      context: 100,
      warmups: 1,
      stable: true,
      ttftMs: [50, 52, 51],
      prefillMs: [49, 51, 50],
      decodeMs: [
        [10, 10, 30],
        [10, 10, 10],
        [20, 10, 10],
      ],
    },
  ],
  memory: { peakBytes: 900, anonBytes: 800, fileBytes: 100, swapBytes: 0 },
  outputHash: "cd",
  frequencyMhz: null,
  temperatureC: null,
};
const gateInput: GateInput = {
  request: { contexts: [100], decodeTokens: 4, repetitions: 3 },
  result,
  parameters: 1000,
  weightBytes: 500,
  decodeReadBytes: () => 2e8,
  readBandwidthGBs: 20,
};
const gate = (change: Partial<GateInput> = {}, measured: MeasureResult = result) =>
  gateViolations({ ...gateInput, result: measured, ...change });

describe("statistics", () => {
  it("quantiles are those of Hyndman and Fan type 7", () => {
    expect([0, 0.25, 0.5, 0.9, 1].map((q) => quantile([1, 2, 3, 4], q))).toEqual([1, 1.75, 2.5, 3.7, 4]);
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });

  it("a single sample has no spread", () => {
    expect(summarise([5])).toEqual({ n: 1, median: 5, p10: 5, p90: 5, min: 5, max: 5, cv: 0 });
  });
});

describe("device metrics", () => {
  const metrics = new Map(deviceMetrics(result, "phone").map((metric) => [metric.name, metric]));

  it("are medians over repetitions, with every repetition as a sample", () => {
    expect(metrics.get("ttftMs@100:phone")).toMatchObject({ value: 51, samples: [50, 52, 51], stable: true });
    expect(metrics.get("prefillTokensPerSecond@100:phone")!.value).toBe(2000);
    // (G - 1) / (t_G - t_1): 3 tokens in 50, 30 and 40 ms.
    expect(metrics.get("decodeTokensPerSecond@100:phone")).toMatchObject({
      value: 75,
      samples: [60, 100, 75],
      stable: false,
    });
    expect(metrics.get("decodeP50Ms@100:phone")!.value).toBe(10);
    expect(metrics.get("decodeP10Ms@100:phone")).toMatchObject({ value: 10, samples: [10, 10, 10] });
    expect(metrics.get("decodeP95Ms@100:phone")!.samples[0]).toBeCloseTo(28, 10);
    expect(metrics.get("peakBytes:phone")!.value).toBe(900);
  });

  it("of a batch say so in their names, and count the tokens of all its sequences", () => {
    const batched = new Map(deviceMetrics({ ...result, batch: 4 }, "phone").map((m) => [m.name, m.value]));
    expect(batched.get("prefillTokensPerSecond@100x4:phone")).toBe(8000);
    expect(batched.get("decodeTokensPerSecond@100x4:phone")).toBe(300);
    expect(batched.get("decodeP50Ms@100x4:phone")).toBe(10);
    expect(batched.has("ttftMs@100:phone")).toBe(false);
  });
});

describe("samples of a metric", () => {
  const of = (samples: readonly number[]) =>
    describeSamples({ name: "m", value: 0, unit: "ms", samples, stable: true }, createRng(1));
  it("are described by spread, and by an interval where there are enough", () => {
    expect(of([])).toBeNull();
    expect(of([1, 2, 3])).toMatchObject({ n: 3, median: 2, p10: 1.2, p90: 2.8, interval: null });
    const { interval, median } = of([1, 2, 3, 4, 5, 6, 7])!;
    expect(interval!.low).toBeLessThan(median);
    expect(interval!.high).toBeGreaterThan(median);
  });
});

describe("gates", () => {
  it("pass what is as asked and possible", () => {
    expect(gate()).toEqual([]);
  });

  const broken = (change: (copy: MeasureResult) => void): MeasureResult => {
    const copy = structuredClone(result);
    change(copy);
    return copy;
  };
  it.each([
    [
      "another model",
      broken((r) => {
        r.parameters = 999;
      }),
      /999 parameters/,
    ],
    [
      "another batch",
      broken((r) => {
        r.batch = 2;
      }),
      /a batch of 2 came back, asked was 1/,
    ],
    [
      "another context",
      broken((r) => {
        r.contexts[0]!.context = 10;
      }),
      /contexts 10 came back/,
    ],
    [
      "a repetition missing",
      broken((r) => {
        r.contexts[0]!.ttftMs.pop();
      }),
      /2\/3\/3 repetitions/,
    ],
    [
      "a token missing",
      broken((r) => {
        r.contexts[0]!.decodeMs[1]!.pop();
      }),
      /wrong number of decoded tokens/,
    ],
    [
      "a time of zero",
      broken((r) => {
        r.contexts[0]!.decodeMs[0]![0] = 0;
      }),
      /zero or less/,
    ],
    [
      "a first token before its prefill",
      broken((r) => {
        r.contexts[0]!.ttftMs[0] = 1;
      }),
      /before the end of its prefill/,
    ],
    [
      "too little memory",
      broken((r) => {
        r.memory.peakBytes = 100;
      }),
      /below the 500 bytes of the weights/,
    ],
  ])("reject %s", (_what, measured, message) => {
    expect(gate({}, measured).join()).toMatch(message);
  });

  it("see a device that reads faster than it ever did, in models larger than caches; never blame the layout for it", () => {
    const contradiction = (change: Partial<GateInput>, measured = result) =>
      deviceContradiction({ ...gateInput, ...change, result: measured });
    expect(contradiction({ decodeReadBytes: () => 3e8 })).toMatchObject({
      kind: "bandwidth",
      reason: expect.stringMatching(/30\.0 GB\/s, above the 20\.0 GB\/s/),
    });
    expect(gate({ decodeReadBytes: () => 3e8 })).toEqual([]);
    expect(contradiction({ decodeReadBytes: () => 3e8, readBandwidthGBs: null })).toBeNull();
    expect(contradiction({ decodeReadBytes: () => 1e7, readBandwidthGBs: 0.1 })).toBeNull();
    const silent = broken((r) => {
      r.memory = { peakBytes: 0, anonBytes: 0, fileBytes: 0, swapBytes: 0 };
    });
    expect(contradiction({}, silent)).toMatchObject({ kind: "memory" });
    expect(gate({}, silent)).toEqual([]);
  });
});

describe("static metrics", () => {
  const layout = namedLayouts["lfm2-350m"]!;
  it.each([
    ["parameters", 354_483_968],
    ["attentionLayers", 6],
    ["kvBytes@1024", 1024 * 6 * 2 * 8 * 64 * 2],
  ])("%s is %i", (name, value) => {
    expect(staticMetric(name, layout, "q4_0")?.value).toBe(value);
  });
  it.each(["kvBytes", "parameters@10", "kvBytes@x", "ttftMs@10", "kvBytes@1@2"])("%s is none", (name) => {
    expect(staticMetric(name, layout, "q4_0")).toBeNull();
  });
});

describe("validity flags", () => {
  const flagsOf = (
    change: (copy: MeasureResult) => void,
    options: Partial<Parameters<typeof validityFlags>[0]> = {},
  ) => {
    const copy = structuredClone(result);
    copy.contexts[0]!.decodeMs = copy.contexts[0]!.ttftMs.map(() => [10, 10, 10]);
    change(copy);
    const probe = { allowedCpus: [0, 1, 2, 3] };
    return validityFlags({
      result: copy,
      probe,
      placement: { threads: 1 },
      emulated: false,
      cvLimit: 0.05,
      ...options,
    });
  };
  const placed = (affinity: number[]) => (copy: MeasureResult) => {
    copy.threads = affinity.length;
    copy.affinity = affinity;
  };

  it("are none where everything was as asked", () => {
    expect(flagsOf(() => {})).toEqual([]);
    expect(flagsOf(placed([0, 1, 2, 3]), { placement: { threads: 0 } })).toEqual([]);
    // One thread a core, of two hyperthreads each; or within a quota.
    const probe = { allowedCpus: [0, 1, 2, 3], defaultThreads: 2 };
    expect(flagsOf(placed([0, 2]), { placement: { threads: 0 }, probe })).toEqual([]);
    expect(flagsOf(placed([0, 1, 2, 3, 0, 1]), { placement: { threads: 6 } })).toEqual([]);
  });
  it.each([
    ["a core that is not ours", placed([7]), { placement: { threads: 1 } }],
    ["a thread that may roam", placed([0, -1]), { placement: { threads: 2 } }],
    ["two threads on one core", placed([1, 1]), { placement: { threads: 2 } }],
    ["another core than asked", placed([2]), { placement: { threads: 1, cpus: [3] } }],
    ["fewer threads than asked", placed([0]), { placement: { threads: 2 } }],
    [
      "more threads than cores",
      placed([0, 1, 2, 3]),
      { placement: { threads: 0 }, probe: { allowedCpus: [0, 1, 2, 3], defaultThreads: 2 } },
    ],
  ])("say moved: %s", (_what, change, options) => {
    expect(flagsOf(change, options)).toEqual(["moved"]);
  });
  it("say what else was not as it should be", () => {
    const unstable = (copy: MeasureResult) => {
      copy.contexts[0]!.ttftMs = [50, 60, 70];
    };
    expect(flagsOf(unstable)).toEqual(["unstable"]);
    expect(flagsOf(unstable, { cvLimit: 0.3 })).toEqual([]);
    expect(
      flagsOf((copy) => {
        Object.assign(copy.contexts[0]!, { stable: false, warmups: 4 });
        copy.memory.swapBytes = 4096;
      }),
    ).toEqual(["not-warm", "swapped"]);
    expect(flagsOf(placed([-1]), { emulated: true })).toEqual(["emulated"]);
    for (const text of Object.values(FLAGS)) expect(text).not.toBe("");
  });
});
