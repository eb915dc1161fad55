// The minimal-hybrid study: its layouts, and that its answers follow the trials, whichever way these point.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutId } from "../../candidates/layout.ts";
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { findingsText } from "../../reports/findings-text.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { readSweepConfig } from "../../runner/config/config.ts";
import type { FindingsContext, Point } from "../../runner/reading/findings-context.ts";
import {
  emptyRecord,
  type SeedRun,
  type StudyRecord,
  studyRecordOf,
} from "../../runner/reading/study-record.ts";
import { minimalHybridAnswers } from "../../runner/reproduction/answers.ts";
import { balancedOrders } from "../../runner/reproduction/orders.ts";
import { planStudy, type StudyPlan } from "../../runner/reproduction/study-plan.ts";
import { runStudyWork } from "../../runner/reproduction/work.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { COUNTS, type Designed, minimalHybridDesign } from "../../search/designs/minimal-hybrid.ts";
import { noSquares } from "../../search/noise/spread.ts";
import { createRng, normal } from "../../search/rng.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";

const configOf = (mode: string) => readSweepConfig(join(PACKAGE_ROOT, `configs/minimal-hybrid-${mode}.yaml`));
const quick = configOf("quick");
const design = minimalHybridDesign(new Space(quick.space));

describe.each(["quick", "full"])("the design of %s", (mode) => {
  const space = new Space(configOf(mode).space);
  const layouts = minimalHybridDesign(space);

  it("holds every count, the published places, and nothing twice, at one parameter count", () => {
    expect(
      layouts.filter(({ group }) => group === "count").map(({ layout }) => attentionCount(layout)),
    ).toEqual(COUNTS);
    expect(formatPattern(layouts[0]!.layout)).toMatch(
      /^c3 c3 g\S* c3 c3 g\S* c3 c3 g\S* c3 g\S* c3 g\S* c3 g\S* c3$/,
    );
    expect(new Set(layouts.map(({ layout }) => layoutId(layout))).size).toBe(layouts.length);
    const parameters = layouts.map(({ layout }) => parameterCount(layout));
    expect(Math.max(...parameters) / Math.min(...parameters)).toBeLessThan(1.02);
  });
});

it("the full study's published layout has the size of LFM2-350M", () => {
  const [published] = minimalHybridDesign(new Space(configOf("full").space));
  expect(parameterCount(published!.layout)).toBe(354_483_968);
});

/** Figures of a made-up world: functions of the layout, with so many seeds and pairs. */
interface World {
  /** Steps to solve the recall task; infinite where it never does. */
  steps(one: Designed): number;
  /** Time of a placement, or of the window, over that of its base. */
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
/** Full attention alone: a window is counted with attention elsewhere. */
const full = ({ layout }: Designed): number => layout.layers.filter(({ mixer }) => mixer.op === "gqa").length;

/** Seeds and pairs after a sweep, stopped once on the way and continued: nothing is done twice. */
async function furtherWork(folder: string): Promise<void> {
  const store = Store.open(join(folder, "edgefront.db"));
  const sweep = store.sweeps.get("tiny");
  const tiny = minimalHybridDesign(new Space(sweep.config.space));
  const blocked = [tiny[0]!.label, "6 attention layers"];
  const comparisons = [{ label: "2 early", base: "2 attention layers" }];
  const planned: StudyPlan = {
    minutes: null,
    designed: 18,
    trials: 18,
    blocked,
    seeds: 4,
    comparisons,
    pairs: 10,
    spending: [],
  };
  const stop = new AbortController();
  const said: string[] = [];
  const workWith = (signal: AbortSignal, say: (text: string) => void) =>
    runStudyWork({
      ...{ store, sweep, plan: planned, design: tiny, folder, signal, say, listen: () => {} },
      stated: { minutes: null, spending: [], power: [], noise: "none" },
    });
  const stopping = workWith(stop.signal, (text) => {
    said.push(text);
    if (text.startsWith("pair 3")) stop.abort();
  });
  await expect(stopping).rejects.toThrow();
  expect(store.sweeps.get("tiny")).toMatchObject({ isRunning: false });
  await workWith(new AbortController().signal, (text) => said.push(text));
  expect(said.filter((text) => text.startsWith("seed"))).toHaveLength(2);
  const { runs, pairs, stated } = studyRecordOf(store, sweep);
  expect(stated).toMatchObject({ noise: "none", bytesPerToken: { recall: 1 } });
  expect(
    runs
      .get(0)!
      .get("recall")!
      .map(({ seed }) => seed),
  ).toEqual([1, 2, 3, 4]);
  const orders = pairs.get("2 early")!.map(({ first }) => first);
  expect(orders).toHaveLength(10);
  expect(orders.filter((first) => first === "a")).toHaveLength(5);
  store.close();
}

describe("a sweep of the study", { timeout: 600_000 }, () => {
  it("proposes its layouts first, and answers its questions from real measurements and training", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "tiny.yaml");
    writeFileSync(
      path,
      `name: tiny
study: minimal-hybrid
space: { vocab: 256, width: 64, depth: 16, mixers: [c3, c5, s16, g], heads: ["4/2x16"], parameters: 900K }
search: { strategy: model, trials: 18, replicate: { layouts: 0 } }
measure: { devices: [local], contexts: [64], decodeTokens: 4, repetitions: 2, warmup: { max: 1, tolerance: 1 } }
score:
  proxy: { width: 16, headDim: 8, context: 64 }
  seeds: [1, 2]
  tasks:
    recall: { task: mqar, options: { vocab: 16, length: 16, pairs: 3, examples: 500 }, training: { steps: 3, batch: 8, evalBatches: 2 } }
objectives: [{ metric: recall.accuracy }, { metric: decodeP95Ms@64 }, { metric: peakBytes }]
`,
    );
    const swept = await runCli(["sweep", path, "--out", "study.html"], folder.path);
    expect(swept).toMatchObject({ code: 0 });
    await furtherWork(folder.path);
    const { findings } = JSON.parse((await runCli(["findings", "tiny", "--json"], folder.path)).stdout);
    const ids = findings.map(({ id }: { id: string }) => id);
    expect(ids.slice(0, 7)).toEqual([
      "published",
      "rule-recall.accuracy",
      "counts",
      "placement",
      "local",
      "counted",
      "limits",
    ]);
    // Three training steps teach nothing, and the answers say so.
    const counts = findings.find(({ id }: { id: string }) => id === "counts");
    expect(counts).toMatchObject({ verdict: "undecidable" });
    expect(counts.table.rows).toHaveLength(COUNTS.length + 1);
    const placement = findings.find(({ id }: { id: string }) => id === "placement");
    expect(placement.table.rows[0].slice(0, 2)).toEqual(["2 early", "10"]);
    expect(readFileSync(join(folder.path, "study.html"), "utf8")).toContain("What can this study not show?");
    folder.remove();
  });
});

it("one that is in the database already is not begun again, and the way on is said", async () => {
  const folder = temporaryFolder();
  const store = Store.open(join(folder.path, "r.db"));
  store.sweeps.create("minimal-hybrid-quick-s7", quick, {});
  store.close();
  const { code, stderr } = await runCli(
    ["reproduce", "minimal-hybrid", "--seed", "7", "--db", "r.db"],
    folder.path,
  );
  expect(code).toBe(2);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(/--resume.*edgefront findings minimal-hybrid-quick-s7.*--seed/);
  folder.remove();
});

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
    // Figures that could not have come out otherwise have no verdict of a test, and are not sold as a finding.
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
    // Equal times are not shown to be slower: no placement spikes, and the window is not shown to cost anything.
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
      /\[undecidable within this budget: needs about \d+ more minutes\]/,
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

describe("what is fixed before a study runs", () => {
  it("a longer budget buys more seeds, more pairs and at least as many layouts", () => {
    const plans = [20, 60, 300].map((minutes) => planStudy(minutes, design));
    for (const [n, one] of plans.slice(1).entries()) {
      expect(one.seeds).toBeGreaterThan(plans[n]!.seeds);
      expect(one.pairs).toBeGreaterThan(plans[n]!.pairs);
      expect(one.blocked.length).toBeGreaterThanOrEqual(plans[n]!.blocked.length);
    }
    for (const { minutes, spending } of plans)
      expect(spending.reduce((sum, part) => sum + part.minutes, 0)).toBeLessThanOrEqual(minutes!);
  });

  it("every comparison of the plan is of two designed layouts with as many attention layers", () => {
    const byLabel = new Map(design.map((one) => [one.label, one]));
    for (const { label, base } of planStudy(null, design).comparisons)
      if (!label.includes("with s"))
        expect(attention(byLabel.get(label)!)).toBe(attention(byLabel.get(base)!));
  });

  it("--dry-run prints the plan and the power of each question, and writes nothing", async () => {
    const folder = temporaryFolder();
    const ran = await runCli(
      ["reproduce", "minimal-hybrid", "--minutes", "60", "--dry-run", "--json"],
      folder.path,
    );
    expect(ran).toMatchObject({ code: 0 });
    const { power, plan: planned } = JSON.parse(ran.stdout);
    expect(planned).toMatchObject({ minutes: 60, seeds: planStudy(60, design).seeds });
    expect(power).toHaveLength(5);
    for (const row of power) expect(row.true.chance + row.false.chance).toBeGreaterThan(0);
    expect(readdirSync(folder.path)).toEqual([]);
    expect(
      await runCli(["reproduce", "minimal-hybrid", "--full", "--minutes", "60"], folder.path),
    ).toMatchObject({
      code: 2,
    });
    folder.remove();
  });
});
