// The minimal-hybrid study: its layouts, its plan, and a run of it on this machine.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutId } from "../../candidates/layout.ts";
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { readSweepConfig, type SweepConfig } from "../../runner/config/config.ts";
import { studyRecordOf } from "../../runner/reading/study-record.ts";
import { planStudy, type StudyPlan } from "../../runner/reproduction/study-plan.ts";
import { runStudyWork } from "../../runner/reproduction/work.ts";
import { Store } from "../../runner/store/store.ts";
import { COUNTS, type Designed, minimalHybridDesign } from "../../search/designs/minimal-hybrid.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { ownerInit } from "../support/other-owner.ts";

const configOf = (mode: string) => readSweepConfig(join(PACKAGE_ROOT, `configs/minimal-hybrid-${mode}.yaml`));
const quick = configOf("quick");
const design = minimalHybridDesign(new Space(quick.space));
const attention = ({ layout }: Designed): number => attentionCount(layout);

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

/** Seeds and pairs after a sweep, stopped once in between and continued: nothing is done twice. */
async function furtherWork(folder: string, config: SweepConfig): Promise<void> {
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
  const workWith = (signal: AbortSignal, say: (text: string) => void, plan = planned) =>
    runStudyWork({
      ...{ store, sweep, config, plan, design: tiny, folder, signal, say, listen: () => {} },
      stated: { minutes: null, spending: [], power: [], noise: "none" },
    });
  // Another process runs the sweep: init, which lives and beats.
  const db = new Database(join(folder, "edgefront.db"));
  const init = ownerInit(store.sweeps.self);
  db.prepare("UPDATE sweeps SET owner = ?, owner_beat_at = ?").run(init, new Date().toISOString());
  await expect(workWith(stop.signal, () => {})).rejects.toThrow(/is being run by process 1/);
  expect(db.prepare("SELECT owner FROM sweeps").get()).toEqual({ owner: init });
  db.prepare("UPDATE sweeps SET owner = NULL").run();
  db.close();
  const stopping = workWith(stop.signal, (text) => {
    said.push(text);
    if (text.startsWith("timed pair 3")) stop.abort();
  });
  await expect(stopping).rejects.toThrow();
  expect(store.sweeps.get("tiny")).toMatchObject({ isRunning: false });
  await workWith(new AbortController().signal, (text) => said.push(text));
  expect(said.filter((text) => text.startsWith("seed"))).toHaveLength(2);
  const { runs, pairs, stated } = studyRecordOf(store, sweep);
  expect(stated).toMatchObject({ noise: "none", bytesPerToken: { recall: 1, text: 1 } });
  expect(
    runs
      .get(0)!
      .get("recall")!
      .map(({ seed }) => seed),
  ).toEqual([1, 2, 3, 4]);
  const orders = pairs.get("2 early")!.map(({ first }) => first);
  expect(orders).toHaveLength(10);
  expect(orders.filter((first) => first === "a")).toHaveLength(5);
  // Minutes that are left go into seeds beyond the plan.
  const more = new AbortController();
  const beyond: string[] = [];
  const extended = workWith(
    more.signal,
    (text) => {
      beyond.push(text);
      if (text.startsWith("seed 6")) more.abort();
    },
    { ...planned, minutes: 1000 },
  );
  await expect(extended).rejects.toThrow();
  expect(beyond.map((text) => text.split(":")[0])).toEqual(["seed 5", "seed 6"]);
  store.close();
}

describe("a sweep of the study", { timeout: 600_000 }, () => {
  it("proposes its layouts first, and answers its questions from real measurements and training", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "tiny.yaml");
    writeFileSync(
      join(folder.path, "corpus.txt"),
      "the quick brown fox jumps over the lazy dog. ".repeat(400),
    );
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
    # The database holds no such path, but further seeds train on the file.
    text: { task: bytes, options: { corpus: [../${basename(folder.path)}/corpus.txt], length: 32 }, training: { steps: 3, batch: 4, evalBatches: 2 } }
objectives: [{ metric: recall.accuracy }, { metric: decodeP95Ms@64 }, { metric: peakBytes }]
`,
    );
    const swept = await runCli(["sweep", path, "--out", "study.html"], folder.path);
    expect(swept).toMatchObject({ code: 0 });
    await furtherWork(folder.path, readSweepConfig(path));
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
    // Three training steps teach nothing, and the answers state this.
    const counts = findings.find(({ id }: { id: string }) => id === "counts");
    expect(counts).toMatchObject({ verdict: "undecidable" });
    expect(counts.table.rows).toHaveLength(COUNTS.length + 1);
    const placement = findings.find(({ id }: { id: string }) => id === "placement");
    expect(placement.table.rows[0].slice(0, 2)).toEqual(["2 early", "10"]);
    expect(readFileSync(join(folder.path, "study.html"), "utf8")).toContain("What can this study not show?");
    folder.remove();
  });
});

it("an existing one is not started again, and the message names the command that continues it", async () => {
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
