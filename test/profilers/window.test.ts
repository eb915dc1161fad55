// The decisions of a measurement window: is the device at rest, did it change, in which order do candidates
// run, how are rounds merged.
import { describe, expect, it } from "vitest";
import { formatNotation } from "../../candidates/notation.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import {
  drawOrder,
  driftOf,
  mergeRounds,
  probeObjection,
  roundOrder,
  SENTINEL,
  SENTINEL_NOTATION,
  type SentinelRun,
  sensorObjection,
  sentinelStatistic,
  shareOf,
  slowdown,
} from "../../profilers/window.ts";
import { createRng } from "../../search/rng.ts";

const rules = {
  maxTemperatureC: 45,
  maxLoad: 0.7,
  pollSeconds: 10,
  deadlineSeconds: 900,
  microProbeTolerance: 0.03,
};

const needs = { cores: 8, bytes: 1e9 };

describe("readiness", () => {
  it.each([
    [{ temperatureC: 46, loadAverage: 0, availableBytes: 2e9 }, /46 C, limit 45 C/],
    [{ temperatureC: 40, loadAverage: 6, availableBytes: 2e9 }, /load 0.75 per core, limit 0.7/],
    [
      { temperatureC: 40, loadAverage: 0, availableBytes: 12e8 },
      /1200 MB of memory are free, 1300 MB needed/,
    ],
  ])("%j is not at rest", (status, message) => {
    expect(sensorObjection(status, needs, rules)).toMatch(message);
  });
  it("does not ask for what cannot be read or is not looked at", () => {
    const status = { temperatureC: null, loadAverage: 1, availableBytes: 2e9 };
    expect(sensorObjection(status, needs, rules)).toBeNull();
    const lax = { ...rules, maxTemperatureC: null, maxLoad: null };
    expect(sensorObjection({ ...status, temperatureC: 99, loadAverage: 99 }, needs, lax)).toBeNull();
  });
  it("holds the micro-probe against its baseline", () => {
    expect(probeObjection(1.03, rules)).toBeNull();
    expect(probeObjection(0.5, rules)).toBeNull();
    expect(probeObjection(1.05, rules)).toMatch(/5.0% longer than its baseline, limit 3%/);
  });
});

describe("the sentinel", () => {
  const run = (prefill: number, decode: number) => ({
    prefillMs: [prefill, prefill * 1.001, prefill * 3],
    decodeMs: [decode, decode * 1.001, decode * 3],
  });
  it("judges by medians, and by the slower of prefill and decode", () => {
    expect(slowdown(run(10, 5), run(10, 5.5))).toBeCloseTo(1.1, 10);
    expect(slowdown(run(10, 5), run(9, 5))).toBeCloseTo(1, 10);
  });
  it("drifts either way", () => {
    expect(driftOf(run(10, 5), run(10, 5))).toBeCloseTo(0, 10);
    expect(driftOf(run(10, 5), run(9, 5))).toBeCloseTo(1 / 0.9 - 1, 10);
    expect(driftOf(run(10, 5), run(10, 6))).toBeCloseTo(0.2, 10);
  });
  it("has every kind of mixer, and is the layout that baselines were made of", () => {
    expect(formatNotation(SENTINEL)).toBe(SENTINEL_NOTATION);
    expect(new Set(SENTINEL.layers.map(({ mixer }) => mixer.op))).toEqual(new Set(["conv", "swa", "gqa"]));
  });
});

describe("the windows of a candidate", () => {
  it("run it in any place of their order, each as often as another", () => {
    const rng = createRng(7);
    const orders = Array.from({ length: 6000 }, () => drawOrder(3, rng).join(""));
    for (const order of ["012", "021", "102", "120", "201", "210"])
      expect(orders.filter((one) => one === order).length / 6000).toBeCloseTo(1 / 6, 1);
    expect(drawOrder(5, createRng(3))).toEqual(drawOrder(5, createRng(3)));
  });

  it("share out what a process would be asked for, and never less than one run", () => {
    const asked = { repetitions: 3, warmup: { max: 3, tolerance: 0.03 } };
    expect(shareOf(asked, 1)).toEqual(asked);
    expect(shareOf(asked, 3)).toEqual({ repetitions: 1, warmup: { max: 1, tolerance: 0.03 } });
    expect(shareOf({ ...asked, repetitions: 4 }, 3).repetitions).toBe(2);
    expect(shareOf({ repetitions: 1, warmup: { max: 0, tolerance: 0.03 } }, 5)).toMatchObject({
      repetitions: 1,
      warmup: { max: 0 },
    });
  });

  it("judge the sentinel by its least disturbed repetition where others use the machine too", () => {
    const times = (...ms: number[]): SentinelRun => ({ prefillMs: ms, decodeMs: ms });
    const [calm, burst] = [times(10, 10, 10), times(10, 19, 25)];
    expect(driftOf(calm, burst, sentinelStatistic({ windows: 3 }))).toBeCloseTo(0, 10);
    expect(driftOf(calm, burst, sentinelStatistic({ windows: 1 }))).toBeCloseTo(0.9, 10);
    // Prefill waits for the slowest thread. A device that became slower is also slower in decode.
    const waited = { ...calm, prefillMs: [200, 200, 200] };
    expect(driftOf(calm, waited, "min")).toBeCloseTo(0, 10);
    expect(driftOf(calm, times(15, 16, 17), "min")).toBeCloseTo(0.5, 10);
  });
});

describe("rounds", () => {
  it("go forwards and backwards", () => {
    expect([0, 1, 2].map((round) => roundOrder([1, 0, 2], round))).toEqual([
      [1, 0, 2],
      [2, 0, 1],
      [1, 0, 2],
    ]);
  });

  const result = (scale: number, change: Partial<MeasureResult> = {}): MeasureResult => ({
    isa: "scalar",
    threads: 1,
    affinity: [0],
    architecture: "lfm2",
    parameters: 1000,
    weightsFrom: "seed",
    modelSha256: "ab",
    batch: 1,
    plan: { weightBytes: 500, cacheBytes: 0, activationBytes: 0, overheadBytes: 0, predictedPeakBytes: 500 },
    loadMs: 3 * scale,
    firstTokenMs: 9 * scale,
    contexts: [
      {
        context: 100,
        warmups: scale,
        stable: scale < 3,
        ttftMs: [50 * scale],
        prefillMs: [49 * scale],
        decodeMs: [[10 * scale]],
      },
    ],
    memory: { peakBytes: 900 * scale, anonBytes: 800, fileBytes: 100, swapBytes: 0 },
    outputHash: "cd",
    frequencyMhz: null,
    temperatureC: 30 + scale,
    ...change,
  });
  it("are merged sample by sample, in order", () => {
    const merged = mergeRounds([result(1), result(3), result(2)]);
    expect(merged.contexts[0]).toEqual({
      context: 100,
      warmups: 3,
      stable: false,
      ttftMs: [50, 150, 100],
      prefillMs: [49, 147, 98],
      decodeMs: [[10], [30], [20]],
    });
    expect(merged).toMatchObject({ loadMs: 6, firstTokenMs: 18, memory: { peakBytes: 2700 } });
    expect(mergeRounds([result(2)])).toEqual(result(2));
  });
  it("that generated different tokens are no result", () => {
    expect(() => mergeRounds([result(1), result(1, { outputHash: "ef" })])).toThrow(/different tokens/);
  });
});
