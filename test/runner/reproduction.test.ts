// The minimal-hybrid study: its layouts, and that its answers follow the trials, whichever way these point.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutId } from "../../candidates/layout.ts";
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { readSweepConfig } from "../../runner/config.ts";
import type { FindingsContext, Point } from "../../runner/findings/context.ts";
import { minimalHybridAnswers } from "../../runner/reproduction/answers.ts";
import { COUNTS, type Designed, minimalHybridDesign } from "../../runner/reproduction/design.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { PACKAGE_ROOT } from "../../runner/version.ts";
import { runCli, temporaryFolder } from "../support/cli.ts";

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

/** Figures of a made-up world: a function of the layout, with a given spread between seeds. */
interface World {
  recall(one: Designed): number;
  ms(one: Designed): number;
  readonly spread: number;
  /** Default: true. False: the device changed by itself while it measured. */
  readonly steady?: boolean;
}
const MIB = 2 ** 20;

function answersIn(world: World) {
  const at = (value: number, unit: string, samples: readonly number[] = [value]) => ({
    value,
    unit,
    samples,
    stable: world.steady ?? true,
  });
  const points = design.map((one, number): Point => {
    const recall = world.recall(one);
    const ms = world.ms(one);
    const raw = {
      "recall.accuracy": at(recall, "fraction", [recall - world.spread, recall + world.spread]),
      "text.bitsPerByte": at(3, "bits/byte", [2.99, 3.01]),
      "ttftMs@4096:local": at(
        100 * ms,
        "ms",
        [99, 100, 101].map((part) => part * ms),
      ),
      "decodeP95Ms@4096:local": at(
        ms,
        "ms",
        [0.99, 1, 1.01].map((part) => part * ms),
      ),
      "peakBytes:local": at((20 + attentionCount(one.layout)) * MIB, "bytes"),
    };
    const metrics = Object.fromEntries(Object.entries(raw).map(([name, { value }]) => [name, value]));
    return { number, id: layoutId(one.layout), layout: one.layout, metrics, raw, onFront: false };
  });
  const context: FindingsContext = {
    config: quick,
    objectives: resolveObjectives(quick),
    budgets: [],
    points,
    measured: points,
    foreseen: [],
    repetitions: [],
    rungs: [],
    history: () => ({ squares: 0, freedom: 0 }),
    hypervolumes: [],
    unitOf: (metric) => points[0]!.raw[metric]?.unit ?? "",
    rates: () => null,
  };
  const findings = minimalHybridAnswers(context, design);
  return new Map(findings.map((finding) => [finding.id, finding]));
}

const attention = ({ layout }: Designed): number => attentionCount(layout);

describe("a sweep of the study", { timeout: 180_000 }, () => {
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
    const { findings } = JSON.parse((await runCli(["findings", "tiny", "--json"], folder.path)).stdout);
    const ids = findings.map(({ id }: { id: string }) => id);
    expect(ids.slice(0, 6)).toEqual([
      "published",
      "rule-recall.accuracy",
      "counts",
      "placement",
      "local",
      "limits",
    ]);
    // Three training steps teach nothing, and the answers say so.
    const counts = findings.find(({ id }: { id: string }) => id === "counts");
    expect(counts).toMatchObject({ verdict: "open" });
    expect(counts.table.rows).toHaveLength(COUNTS.length + 1);
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
  it("agree in a world as published: a few attention layers are needed and enough, each costs time", () => {
    const answers = answersIn({
      recall: (one) => (attention(one) === 0 ? 0.1 : attention(one) === 1 ? 0.6 : 0.98),
      ms: (one) => 1 + 0.05 * attention(one) + (one.label.includes("early") ? 0.2 : 0),
      spread: 0.005,
    });
    expect(answers.get("counts")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("counts")!.answer).toMatch(/not worse within the error: 2, 4, 6, 8, 16/);
    expect(answers.get("rule-recall.accuracy")).toMatchObject({ verdict: "agrees" });
    expect(answers.get("rule-recall.accuracy")!.answer).toMatch(/2 attention layers/);
    // Two layers are as good and cheaper: the published pattern is dominated, and that is said.
    expect(answers.get("published")!.answer).toMatch(/^Off it: .*2 attention layers/);
    expect(answers.get("published")!.verdict).not.toBe("agrees");
    expect(answers.get("placement")!.answer).toMatch(/^Yes: .*early/);
    expect(answers.get("limits")!.answer).toContain("says nothing about knowledge");
    // What could not have come out otherwise is not sold as a finding.
    expect(answers.get("counts")!.notes.join(" ")).toMatch(/33 tokens before.*see 32 back.*by construction/);
  });

  it("take no device's own changes for a cost of placement", () => {
    const early = (one: Designed): number => (one.label.includes("early") ? 1.3 : 1);
    const answer = (ms: World["ms"], steady: boolean) =>
      answersIn({ recall: () => 0.9, ms, spread: 0.005, steady }).get("placement")!;
    expect(answer(early, true).answer).toMatch(/^Yes: .*early/);
    expect(answer(early, false)).toMatchObject({ verdict: "open" });
    expect(answer(early, false).answer).toMatch(/^Not to be told: .*early.* 1\.3.*changed by itself/);
    expect(answer(() => 1, false).answer).toMatch(/^Not to be told: no placement/);
  });

  it("contradict it as plainly in a world where attention is all that counts", () => {
    const answers = answersIn({
      recall: (one) => attention(one) / 20,
      ms: (one) => 1 - 0.01 * attention(one),
      spread: 0.001,
    });
    expect(answers.get("counts")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("rule-recall.accuracy")).toMatchObject({ verdict: "contradicts" });
    expect(answers.get("placement")!.answer).toMatch(/^No:/);
  });

  it("in a world where no proxy learns the task leave open what the orders of luck would say", () => {
    const answers = answersIn({
      recall: (one) => (attention(one) === 0 ? 0.1 : 0.2),
      ms: () => 1,
      spread: 0.001,
    });
    expect(answers.get("counts")).toMatchObject({ verdict: "open" });
    expect(answers.get("counts")!.notes.join(" ")).toContain("No proxy learnt the task");
    expect(answers.get("rule-recall.accuracy")).toMatchObject({ verdict: "open" });
  });

  it("in a world where nothing can be told apart say no more than that", () => {
    const answers = answersIn({ recall: () => 0.5, ms: () => 1, spread: 0.4 });
    expect(answers.get("counts")!.answer).toMatch(/not worse within the error: 0, 1, 2, 4, 6, 8, 16/);
    expect(answers.get("counts")!.verdict).not.toBe("agrees");
    expect(answers.get("local")!.answer).toContain("not different beyond the error");
  });
});
