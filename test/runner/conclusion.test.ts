// The last lines of a sweep: conclusions that it can and cannot draw, from simulated trials whose truth is
// known.
import { describe, expect, it } from "vitest";
import type { ReportMetric, ReportTrial } from "../../reports/report-model.ts";
import { conclusionLines } from "../../runner/reading/conclusion.ts";
import { withEstimates } from "../../runner/sweep/estimates.ts";
import { createRng, normal } from "../../search/rng.ts";
import { testReportData } from "../support/report-data.ts";

const objectives = [
  { name: "decodeP50Ms@512:local", direction: "min", unit: "ms" },
  { name: "recall.accuracy", direction: "max", unit: "fraction" },
] as const;

/**
 * Twelve layouts whose times differ by `spread` (relative, one standard deviation). Eight of them are
 * measured and trained twice.
 */
function made(spread: number, repeated: number, declared = false) {
  const rng = createRng(5);
  const [base] = testReportData({ trials: 4 }).trials;
  const trials = Array.from({ length: 12 }, (_, n): ReportTrial => {
    const units = n < repeated ? [0, 1] : [0];
    const [time, score] = [Math.exp(spread * normal(rng)), 0.8 + 0.3 * spread * normal(rng)];
    const times = units.map(() => time * Math.exp(0.1 * normal(rng)));
    const scores = units.map(() => score + 0.02 * normal(rng));
    const metric = (samples: number[], unit: string): ReportMetric => ({
      ...{ value: samples[0]!, unit, samples, stable: true },
      ...(unit === "ms" && { sessions: samples.map(() => 1) }),
    });
    const metrics = {
      [objectives[0].name]: metric(times, "ms"),
      [objectives[1].name]: metric(scores, "fraction"),
    };
    const origin = declared && n === 0 ? "declared in the space" : "drawn at random (by random, batch 1)";
    return { ...base!, number: n, id: `layout-${n}`, state: "complete", origin, onFront: n < 3, metrics };
  });
  const data = {
    sweep: "made-up",
    objectives,
    trials,
    totals: undefined,
    proxies: undefined,
    proxyWidth: 32,
    devices: [],
  };
  const history = () => ({ squares: 0, freedom: 0 });
  return conclusionLines(withEstimates(data, history), history).join("\n");
}

it("an interval of a share of right answers lies between 0 and 1", () => {
  const [base] = testReportData({ trials: 4 }).trials;
  const trials = [
    [1, 0.99],
    [0.02, 0],
    [0.5, 0.6],
  ].map(
    (samples, n): ReportTrial => ({
      ...base!,
      number: n,
      id: `layout-${n}`,
      state: "complete",
      metrics: { "recall.accuracy": { value: samples[0]!, unit: "fraction", samples, stable: true } },
    }),
  );
  const data = {
    sweep: "made-up",
    objectives: [objectives[1]],
    trials,
    totals: undefined,
    proxies: undefined,
    devices: [],
  };
  const { trials: known } = withEstimates(data, () => ({ squares: 0, freedom: 0 }));
  const ends = known.map(({ metrics }) => metrics["recall.accuracy"]!.estimate!);
  expect(ends[0]!.high).toBe(1);
  expect(ends[1]!.low).toBe(0);
  expect(ends[2]!.low!).toBeGreaterThan(0);
});

describe("the last lines of a sweep", () => {
  it("are five, and name the next command", () => {
    const lines = made(0.5, 8).split("\n");
    expect(lines[0]).not.toContain("declared");
    expect(lines).toHaveLength(5);
    expect(lines.at(-1)).toContain("edgefront select made-up --confirm");
    expect(lines[3]).toContain("ranks nothing above width 32: wider models were not tested");
  });

  it("say of a layout that the configuration declared that the search did not find it", () => {
    expect(made(0.5, 8, true)).toMatch(/F\d was declared in the configuration, not found by the search\./);
  });

  it("claim an order where layouts differ by far more than the noise", () => {
    expect(made(0.8, 8)).toMatch(/(\d\d) of 66 pairs of layouts certainly differ in median time per token/);
  });

  it("claim none where layouts are alike, and say how much another session would differ", () => {
    const text = made(0, 8);
    expect(text).toContain("no two layouts certainly differ in median time per token");
    expect(text).toMatch(/median time per token at 512 varies by \d+(\.\d)?% between sessions/);
    expect(text).toContain("none with a chance above 90%");
  });

  it("claim none where nothing was repeated, whatever the values", () => {
    const text = made(0.8, 0);
    expect(text).toContain("no two layouts certainly differ");
    expect(text).toContain("is unknown");
  });
});
