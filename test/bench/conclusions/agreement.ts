// Simulated sweeps through both ways of choosing: as `edgefront select` chooses, and as the page chooses from
// the data in a report.
import { isDeepStrictEqual } from "node:util";
import { parameterCount } from "../../../candidates/cost.ts";
import { type Layout, layoutId } from "../../../candidates/layout.ts";
import { formatNotation, formatPattern, parseNotation } from "../../../candidates/notation.ts";
import { decide } from "../../../reports/client/decide.ts";
import { directionOf } from "../../../reports/metrics.ts";
import { type View, viewOf } from "../../../reports/page/view.ts";
import type { ReportData, ReportMetric, ReportTrial } from "../../../reports/report-model.ts";
import type { SweepConfig } from "../../../runner/config/config.ts";
import { estimatesOf } from "../../../runner/sweep/estimates.ts";
import { selectionOf } from "../../../runner/sweep/selection.ts";
import { noSquares } from "../../../search/noise/spread.ts";
import { nonDominated } from "../../../search/pareto.ts";
import { createRng, normal, type SeededRng } from "../../../search/rng.ts";
import { ruleNames } from "../../../search/selection/rules.ts";

const MIXERS = ["c3", "c5", "s128", "g", "g(8/2x64)"];
const objectives = [
  { name: "decodeP50Ms@1024:local", direction: "min", unit: "ms" },
  { name: "recall.accuracy", direction: "max", unit: "fraction" },
  { name: "text.bitsPerByte", direction: "min", unit: "bits/byte" },
] as const;
const BOUNDED = [...objectives.map(({ name }) => name), "peakBytes:local", "parameters"];

const below = (rng: SeededRng, n: number): number => rng.below(n);

function randomLayout(rng: SeededRng): Layout {
  const tokens = Array.from({ length: 4 }, () => MIXERS[below(rng, MIXERS.length)]!);
  return parseNotation(`v16384 d512 f1024 h8/2x64 : ${tokens.join(" ")}`);
}

/**
 * Values are coarse in some sweeps, so that layouts tie. In some they are unstable, and some sweeps repeat
 * nothing.
 */
function randomMetric(
  rng: SeededRng,
  {
    unit,
    center,
    spread,
    coarse,
    repeats,
  }: { unit: string; center: number; spread: number; coarse: boolean; repeats: boolean },
  score: boolean,
): ReportMetric {
  const level = center + spread * (coarse ? below(rng, 3) : normal(rng));
  const times = repeats && rng.next() < 0.5 ? 2 : 1;
  const noise = coarse && rng.next() < 0.5 ? 0 : spread / 3;
  const samples = Array.from({ length: score ? times : 3 * times }, () =>
    Math.max(center / 10, level + noise * normal(rng)),
  );
  return {
    value: samples.reduce((sum, one) => sum + one, 0) / samples.length,
    unit,
    samples,
    ...(score ? {} : { sessions: Array.from({ length: times }, () => 3) }),
    stable: rng.next() < 0.8,
  };
}

const counted = (value: number, unit: string): ReportMetric => ({ value, unit, samples: [], stable: true });

/** A sweep in the form in which the store returns it. */
function randomSweep(rng: SeededRng): ReportData {
  const size = 1 + below(rng, 30);
  const [coarse, repeats, emulated] = [rng.next() < 0.4, rng.next() < 0.7, rng.next() < 0.1];
  const layouts = new Map<string, Layout>();
  while (layouts.size < size) {
    const layout = randomLayout(rng);
    layouts.set(layoutId(layout), layout);
  }
  const trials = [...layouts].map(([id, layout], number): ReportTrial => {
    const metric = (unit: string, center: number, spread: number, score: boolean) =>
      randomMetric(rng, { unit, center, spread, coarse, repeats }, score);
    const parameters = parameterCount(layout);
    return {
      ...{ number, id, layout, notation: formatNotation(layout), pattern: formatPattern(layout), parameters },
      ...{ reason: null, onFront: false, published: rng.next() < 0.1 ? "lfm2-350m" : null },
      state: rng.next() < 0.9 ? "complete" : "infeasible",
      metrics: {
        "decodeP50Ms@1024:local": metric("ms", 0.3, 0.03, false),
        "peakBytes:local": metric("bytes", 3e7, 2e6, false),
        "recall.accuracy": metric("fraction", 0.8, 0.05, true),
        "text.bitsPerByte": metric("bits/byte", 2.5, 0.1, true),
        parameters: counted(parameters, "parameters"),
      },
    };
  });
  const complete = trials.filter(({ state }) => state === "complete");
  const front = new Set(
    nonDominated(
      complete.map(({ metrics }) =>
        objectives.map(({ name, direction }) => metrics[name]!.value * (direction === "min" ? 1 : -1)),
      ),
    ).map((n) => complete[n]!),
  );
  return {
    ...{ sweep: "made-up", createdAt: "2026-01-01T00:00:00.000Z", edgefrontVersion: "0", gitCommit: null },
    ...{ objectives, budgets: [], referencePoint: null, hypervolume: [], configuration: {}, environment: {} },
    trials: trials.map((trial) => ({ ...trial, onFront: front.has(trial) })),
    devices: [
      {
        ...{ name: "local", transport: "local", arch: "x86_64", cpu: "made up", isa: "avx2", threads: 2 },
        ...{ memoryBytes: 8e9, emulated, agentSha256: "0".repeat(64) },
      },
    ],
  };
}

/**
 * Adds estimates like runner/sweep/estimates.ts, but no chances, whose draws would take longer than
 * everything else.
 */
function withKnown(data: ReportData, rng: SeededRng): ReportData {
  const names = Object.keys(data.trials[0]!.metrics);
  const known = new Map(names.map((name) => [name, estimatesOf(data.trials, name, () => noSquares)]));
  const trials = data.trials.map((trial, n) => ({
    ...trial,
    ...(rng.next() < 0.9 && { chance: rng.next() }),
    metrics: Object.fromEntries(
      Object.entries(trial.metrics).map(([name, metric]) => {
        const { low, high, sessions, standardError } = known.get(name)!.get(n)!;
        const marks = [
          ...(metric.stable ? [] : ["unstable"]),
          ...(standardError === null ? ["unknown error"] : []),
        ];
        return [name, { ...metric, estimate: { low, high, sessions, marks } }];
      }),
    ),
  }));
  return { ...data, trials };
}

/**
 * Inputs of both ways: the data with estimates, and the page's data, as text. Some reports have no estimates.
 */
function bothWays(data: ReportData, rng: SeededRng): { readonly data: ReportData; readonly view: View } {
  const known = rng.next() < 0.9 ? withKnown(data, rng) : data;
  return { data: known, view: JSON.parse(JSON.stringify(viewOf(known))) as View };
}

/** Random bounds: at, just inside or just outside a layout's value, or anywhere between two values. */
function randomBounds(data: ReportData, view: View, rng: SeededRng) {
  return BOUNDED.flatMap((name) => {
    if (rng.next() < 0.6) return [];
    const values = data.trials.map(({ metrics }) => metrics[name]!.value);
    const [a, b] = [values[below(rng, values.length)]!, values[below(rng, values.length)]!];
    const worst = [a, a * (1 + 1e-7), a * (1 - 1e-7), (a + b) / 2][below(rng, 4)]!;
    return [{ metric: view.metrics.findIndex(({ key }) => key === name), name, worst }];
  });
}

/**
 * Returns how often both choose the same layout, runner-up, order, reasons and figures, and the number of
 * cases.
 */
export function agreementOf({ runs, seed }: { readonly runs: number; readonly seed: number }): {
  readonly same: number;
  readonly of: number;
} {
  const rng = createRng(seed);
  let [same, of] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const { data, view } = bothWays(randomSweep(rng), rng);
    for (const rule of ruleNames) {
      const bounds = randomBounds(data, view, rng);
      const quality = below(rng, objectives.length);
      const tolerance = [0, 0.01, 0.03][below(rng, 3)]!;
      const page = decide(view, bounds, { name: rule, quality, tolerance });
      const { selection } = selectionOf(data, { measure: { quantization: "q4_0" } } as SweepConfig, {
        rule,
        tolerance,
        quality: objectives[quality]!.name,
        budgets: bounds.map(({ name, worst }) =>
          directionOf(name, data) === "max" ? { metric: name, min: worst } : { metric: name, max: worst },
        ),
      });
      of++;
      const places = new Map(data.trials.map(({ number }, index) => [number, index]));
      const shown = page.order.map((trial) =>
        view.choices.find((one) => one.trial === view.trials[trial]!.number),
      );
      if (
        isDeepStrictEqual(
          page.order,
          selection.order.map(({ trial }) => places.get(trial)),
        ) &&
        isDeepStrictEqual(page.reasons, selection.reasons) &&
        page.feasible === selection.feasible &&
        isDeepStrictEqual(shown, JSON.parse(JSON.stringify(selection.order)))
      )
        same++;
    }
  }
  return { same, of };
}
