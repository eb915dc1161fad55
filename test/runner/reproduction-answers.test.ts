// The answers of the minimal-hybrid study follow the trials in either direction, in simulated worlds.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isGlobalAttention, layoutId } from "../../candidates/layout.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { findingsText } from "../../reports/findings-text.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { readSweepConfig } from "../../runner/config/config.ts";
import type { FindingsContext, Point } from "../../runner/reading/findings-context.ts";
import { emptyRecord, type SeedRun, type StudyRecord } from "../../runner/reading/study-record.ts";
import { minimalHybridAnswers } from "../../runner/reproduction/answers.ts";
import { balancedOrders } from "../../runner/reproduction/orders.ts";
import { planStudy } from "../../runner/reproduction/study-plan.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { type Designed, minimalHybridDesign } from "../../search/designs/minimal-hybrid.ts";
import { noSquares } from "../../search/noise/spread.ts";
import { createRng, normal } from "../../search/rng.ts";

const configOf = (mode: string) => readSweepConfig(join(PACKAGE_ROOT, `configs/minimal-hybrid-${mode}.yaml`));
const quick = configOf("quick");
const design = minimalHybridDesign(new Space(quick.space));

/** Values of a simulated world: functions of the layout, with a number of seeds and pairs. */
interface World {
  /** Steps to solve the recall task; infinite where the layout never solves it. */
  steps(one: Designed): number;
  /** Time of a placement, or of the window, divided by that of its base. */
  ratio?(label: string): number;
  readonly seeds?: number;
  readonly pairs?: number;
}
const MIB = 2 ** 20;
const LIMIT = quick.score!.tasks.recall!.training.steps;
const plan = planStudy(60, design);

function recordOf(world: World): StudyRecord {
  const rng = createRng(1);
  const runs = design.map(({ label }, number) => {
    const seeds = plan.blocked.includes(label) ? (world.seeds ?? 12) : 2;
    const steps = Array.from(
      { length: seeds },
      () => world.steps(design[number]!) * Math.exp(0.1 * normal(rng)),
    );
    const recall = steps.map((one, n) => ({
      ...{ seed: n + 1, steps: Math.round(Math.min(one, LIMIT)), solved: one < LIMIT },
      scores: { accuracy: one < LIMIT ? 0.99 : Math.max(0.1, 0.99 * (LIMIT / one) ** 2) },
    }));
    const text = steps.map((_, n) => ({
      ...{ seed: n + 1, steps: 120, solved: false },
      scores: { bitsPerByte: 3 + 0.01 * normal(rng) },
    }));
    const byTask: ReadonlyMap<string, readonly SeedRun[]> = new Map<string, readonly SeedRun[]>([
      ["recall", recall],
      ["text", text],
    ]);
    return [number, byTask] as const;
  });
  const pairs = plan.comparisons.map(({ label }) => {
    const own = balancedOrders(world.pairs ?? 20, rng).map((first) => ({
      first,
      a: { ttftMs: 1, decodeP95Ms: 1 },
      b: {
        ttftMs: (world.ratio?.(label) ?? 1) * Math.exp(0.02 * normal(rng)),
        decodeP95Ms: Math.exp(0.02 * normal(rng)),
      },
    }));
    return [label, own] as const;
  });
  return {
    ...emptyRecord,
    runs: new Map(runs),
    pairs: new Map(pairs),
    minutes: { sweep: 5, seeds: 10, pairs: 5 },
  };
}

function answersIn(world: World | null) {
  const study = world === null ? undefined : recordOf(world);
  const points = design.map((one, number): Point => {
    const ms = 1 + 0.08 * attention(one);
    const at = (value: number, unit: string, sessions?: number[]) => ({
      ...{ value, unit, stable: true, samples: [value, 1.02 * value] },
      ...(sessions && { sessions }),
    });
    const raw = {
      "recall.accuracy": at(0.9, "fraction"),
      "text.bitsPerByte": at(3, "bits/byte"),
      "ttftMs@4096:local": at(100 * ms, "ms", [1, 1]),
      "decodeP95Ms@4096:local": at(ms, "ms", [1, 1]),
      "peakBytes:local": at((20 + attention(one)) * MIB, "bytes", [1, 1]),
    };
    const metrics = Object.fromEntries(Object.entries(raw).map(([name, { value }]) => [name, value]));
    return { number, id: layoutId(one.layout), layout: one.layout, metrics, raw, onFront: false };
  });
  const context = {
    config: quick,
    objectives: resolveObjectives(quick),
    budgets: [],
    points,
    measured: points,
    foreseen: [],
    repetitions: [],
    rungs: [],
    hypervolumes: [],
    history: () => noSquares,
    ...(study !== undefined && { study }),
    unitOf: (metric: string) => points[0]!.raw[metric]?.unit ?? "",
    rates: () => null,
  } as unknown as FindingsContext;
  const findings = minimalHybridAnswers(context, design);
  return new Map(findings.map((finding) => [finding.id, finding]));
}

const attention = ({ layout }: Designed): number => attentionCount(layout);
/** Number of global attention layers; windowed attention is counted separately. */
const full = ({ layout }: Designed): number => layout.layers.filter(isGlobalAttention).length;

describe("its answers", () => {
  const few = (one: Designed): number => {
    const count = full(one);
    return count === 0 ? Number.POSITIVE_INFINITY : count === 1 ? 1000 : count < 6 ? 380 - 25 * count : 180;
  };

  it("agree in a world as published: a few attention layers are needed and enough, a dense placement costs time", () => {
    const answers = answersIn({
      steps: few,
      ratio: (label) => (label === "6 early, dense" ? 1.3 : label.includes("with s") ? 1.2 : 1),
    });
    expect(answers.get("counts")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("counts")!.answer).toMatch(
      /1 attention layer: 2\.\d+x .*worse by more than the margin/,
    );
    expect(answers.get("published")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("rule-recall.accuracy")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("placement")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("placement")!.answer).toMatch(/^Yes: 6 early, dense\. .*1\.3/);
    expect(answers.get("local")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("limits")!.answer).toContain("says nothing about knowledge");
    // Figures that follow from the layouts alone get no test verdict, and are not presented as a finding.
    expect(answers.get("counted")).toMatchObject({ verdict: "counted" });
    expect(answers.get("counts")!.notes.join(" ")).toMatch(/33 tokens before.*see 32 back.*by construction/);
  });

  it("contradict it where one attention layer does what six do", () => {
    const answers = answersIn({
      steps: (one) => (full(one) === 0 ? Number.POSITIVE_INFINITY : 180),
      seeds: 25,
    });
    expect(answers.get("counts")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("rule-recall.accuracy")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("published")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("published")!.answer).toMatch(/shown to beat it: 1 attention layer/);
    // Equal times are not shown to be slower: no placement is slow, and the window is not shown to cost
    // anything.
    expect(answers.get("placement")!.verdict).not.toBe("agrees");
    expect(answers.get("local")!.verdict).not.toBe("agrees");
  });

  it("contradict it where recall needs half of the layers", () => {
    const answers = answersIn({ steps: (one) => (full(one) < 8 ? Number.POSITIVE_INFINITY : 180) });
    expect(answers.get("counts")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("counts")!.answer).toMatch(/8 attention layers: .*better by more than the margin/);
  });

  it("are undecidable with few seeds and pairs, and say how many more minutes they need", () => {
    const answers = answersIn({ steps: few, seeds: 4, pairs: 6 });
    for (const id of ["counts", "placement", "local", "published"]) {
      expect(answers.get(id)).toMatchObject({ verdict: "undecidable" });
      expect(answers.get(id)!.moreMinutes).toBeGreaterThan(0);
    }
    expect(findingsText([answers.get("counts")!])).toMatch(
      /\[undecidable within this time budget: needs about \d+ more minutes\]/,
    );
  });

  it("leave open what the orders of luck would say where no proxy learns the task: more minutes do not help", () => {
    const answers = answersIn({ steps: () => Number.POSITIVE_INFINITY });
    for (const id of ["counts", "rule-recall.accuracy", "published", "local"]) {
      expect(answers.get(id)).toMatchObject({ verdict: "undecidable" });
      expect(answers.get(id)).not.toHaveProperty("moreMinutes");
    }
    expect(answers.get("counts")!.notes.join(" ")).toContain("No proxy learnt the task");
  });

  it("of a sweep that no test was planned for are undecidable, whatever it measured", () => {
    const answers = answersIn(null);
    for (const [id, { verdict }] of answers)
      expect([id, verdict]).toEqual([
        id,
        id === "counted" ? "counted" : id === "limits" ? undefined : "undecidable",
      ]);
  });
});
