// A choice confirmed on a scripted device whose samples scatter. Only new sessions and seeds count, stored
// apart from the trials' samples. A stopped confirmation continues, and a choice that does not hold is
// replaced. Loop, store, windows and every decision are real.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderMarkdown } from "../../reports/md.ts";
import type { ReportConfirmation } from "../../reports/report-model.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { type ConfirmAsked, confirm } from "../../runner/sweep/choice-confirmation.ts";
import { historyOf, withEstimates } from "../../runner/sweep/estimates.ts";
import { selectionOf } from "../../runner/sweep/selection.ts";
import type { AgentScript } from "../support/agent-script.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const CONFIG = `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: 10, batch: 10 }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 3, protocol: { guarded: false, retries: 0, cvLimit: 0.5 } }
score:
  proxy: { width: 16, headDim: 8 }
  tasks: { text: { task: bytes, options: { corpus: [corpus.txt], length: 32, validationFraction: 0.2 }, training: { steps: 4, batch: 4, evalBatches: 2 } } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: text.bitsPerByte }]
`;
/** Each session differs from the others by up to 4%. */
const drift = (factor = 1): Readonly<Record<number, number>> =>
  Object.fromEntries(
    Array.from({ length: 2000 }, (_, n) => [n, factor * (1 + (0.04 * ((n * 7919) % 13)) / 13)]),
  );
const NOISE: AgentScript = { noise: 0.04, jobMs: 5, slowdowns: drift() };
const TIME = "decodeP50Ms@32:local";
const asked: ConfirmAsked = {
  rule: "best-quality",
  budgets: [],
  quality: TIME,
  tolerance: 0.01,
  sessions: 2,
  replacements: 3,
};

let folder: ReturnType<typeof temporaryFolder>;
let sweeps: ScriptedSweeps;
const script = (text: AgentScript): void =>
  writeFileSync(join(folder.path, "script.json"), JSON.stringify(text));
const jobsSoFar = (): number => readFileSync(join(folder.path, "jobs.log")).length;

beforeAll(async () => {
  folder = temporaryFolder();
  writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  sweeps = await scriptedSweeps(folder.path, NOISE);
  await sweeps.run("base.db", CONFIG);
}, 60_000);
afterAll(() => folder.remove());

interface Work {
  readonly stopAt?: (event: SweepEvent) => boolean;
  readonly events?: SweepEvent[];
}

/** Confirms in a database of the test's own, and closes it. */
async function confirmIn(
  db: string,
  more: Partial<ConfirmAsked> = {},
  { stopAt, events = [] }: Work = {},
): Promise<ReportConfirmation> {
  const store = Store.open(join(folder.path, db));
  const abort = new AbortController();
  try {
    const sweep = store.sweeps.get("scripted");
    const data = withEstimates(reportData(store, sweep), historyOf(store, sweep.id));
    return await confirm(
      store,
      sweep,
      { ...asked, ...more },
      {
        config: parseSweepConfig(CONFIG, "scripted.yaml"),
        folder: folder.path,
        data,
        command: "edgefront select scripted --confirm",
        signal: abort.signal,
        listen: (event) => {
          events.push(event);
          if (stopAt?.(event) === true) abort.abort();
        },
        farm: sweeps.farm,
      },
    );
  } finally {
    store.close();
  }
}

const metricsIn = (db: string) => sweeps.query(db, "SELECT * FROM metrics ORDER BY trial_id, name");
const confirmJobs = (db: string) =>
  sweeps.query<{ trial: number; kind: string; target: string; state: string; attempts: number }>(
    db,
    `SELECT t.number AS trial, j.kind, j.target, j.state, j.attempts FROM jobs j JOIN trials t ON t.id = j.trial_id
     WHERE j.target LIKE '%#confirm%' ORDER BY j.id`,
  );

describe("a confirmation", () => {
  it("takes new sessions and seeds, reports their values alone, and leaves the trials as they were", async () => {
    sweeps.copy("base.db", "alone.db");
    const before = metricsIn("alone.db");
    const { chosen, runnerUp, rejected, seeds } = await confirmIn("alone.db");
    expect(rejected).toEqual([]);
    expect(metricsIn("alone.db")).toEqual(before);
    // Two layouts, two stages with two sessions and seeds each.
    const jobs = confirmJobs("alone.db");
    expect(jobs).toHaveLength(16);
    expect(new Set(jobs.map(({ trial }) => trial))).toEqual(new Set([chosen!.trial, runnerUp!.trial]));
    expect(jobs.every(({ state }) => state === "done")).toBe(true);
    const used = sweeps.query<{ seed: number; target: string }>(
      "alone.db",
      "SELECT s.seed, j.target FROM scores s JOIN jobs j ON j.id = s.job_id",
    );
    const [fresh, old] = [true, false].map(
      (own) =>
        new Set(used.filter(({ target }) => target.includes("#confirm") === own).map(({ seed }) => seed)),
    );
    expect([...fresh!]).toEqual([...seeds.check, ...seeds.report]);
    expect([...fresh!].some((seed) => old!.has(seed))).toBe(false);
    // The reported values use the second stage alone.
    expect(chosen!.metrics[TIME]).toMatchObject({ samples: 6, sessions: 2 });
    expect(chosen!.metrics["text.bitsPerByte"]).toMatchObject({ samples: 2, sessions: 2 });
    for (const { value, low, high } of [chosen!, runnerUp!].map(({ metrics }) => metrics[TIME]!)) {
      expect(low).toBeLessThan(value);
      expect(high).toBeGreaterThan(value);
    }
    const reported = sweeps.query<{ result: string }>(
      "alone.db",
      `SELECT m.result FROM measurements m JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id
       WHERE t.number = ${chosen!.trial} AND j.target IN ('local#confirm1.3', 'local#confirm1.4')`,
    );
    const medians = reported.map(({ result }) => {
      const { contexts } = JSON.parse(result) as { contexts: { decodeMs: number[][] }[] };
      const own = contexts[0]!.decodeMs
        .map((tokens) => [...tokens].sort((a, b) => a - b))
        .map((tokens) => (tokens[(tokens.length - 1) >> 1]! + tokens[tokens.length >> 1]!) / 2);
      return own.sort((a, b) => a - b)[1]!;
    });
    expect(medians).toHaveLength(2);
    expect(chosen!.metrics[TIME]!.value).toBeCloseTo(Math.sqrt(medians[0]! * medians[1]!), 8);
  });

  it("stands in the reports, and not among what the trials rest on", async () => {
    const store = Store.open(join(folder.path, "alone.db"));
    const data = reportData(store, store.sweeps.get("scripted"));
    const { chosen } = data.confirmation!;
    const { metrics } = data.trials.find(({ number }) => number === chosen!.trial)!;
    expect(metrics["text.bitsPerByte"]!.provenance!.seeds).not.toMatch(/1000/);
    expect(metrics[TIME]!.provenance!.measurements ?? "1").not.toMatch(/confirm/);
    expect(data.timeline!.filter(({ detail }) => detail?.includes("to confirm"))).toHaveLength(16);
    expect(renderMarkdown(data)).toMatch(/## Confirmed choice\n\n- Confirmed: \\?#\d+/);
    store.close();
  });

  it("is not done again when the same is asked, and is when something else is", async () => {
    sweeps.copy("alone.db", "again.db");
    const before = jobsSoFar();
    const first = await confirmIn("again.db");
    expect(jobsSoFar()).toBe(before);
    expect(first.chosen).not.toBeNull();
    const other = await confirmIn("again.db", { tolerance: 0.02 });
    expect(jobsSoFar()).toBeGreaterThan(before);
    const all = [first, other].flatMap(({ seeds }) => [...seeds.check, ...seeds.report]);
    expect(new Set(all).size).toBe(all.length);
  });

  it("continues where it stopped, without repeating a finished job", async () => {
    sweeps.copy("base.db", "stopped.db");
    let results = 0;
    const stopped = confirmIn(
      "stopped.db",
      {},
      {
        stopAt: (event) => event.kind === "job" && event.lane === null && ++results === 5,
      },
    );
    await expect(stopped).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(/Continue with: edgefront select scripted --confirm$/),
    });
    expect(sweeps.query("stopped.db", "SELECT owner FROM sweeps")).toEqual([{ owner: null }]);
    const done = sweeps.query<{ id: number; finished_at: string }>(
      "stopped.db",
      "SELECT id, finished_at FROM jobs WHERE target LIKE '%#confirm%' AND state = 'done' ORDER BY id",
    );
    expect(done.length).toBeGreaterThan(2);
    const { chosen } = await confirmIn("stopped.db");
    expect(chosen).not.toBeNull();
    expect(confirmJobs("stopped.db")).toHaveLength(16);
    const ids = done.map(({ id }) => id).join();
    expect(
      sweeps.query("stopped.db", `SELECT id, finished_at FROM jobs WHERE id IN (${ids}) ORDER BY id`),
    ).toEqual(done);
    expect(sweeps.query("stopped.db", "SELECT count(*) AS n FROM confirmations")).toEqual([{ n: 1 }]);
  });

  it("replaces a choice that is over the budget when it is measured anew, and says so", async () => {
    sweeps.copy("base.db", "over.db");
    const store = Store.open(join(folder.path, "over.db"));
    const sweep = store.sweeps.get("scripted");
    const data = withEstimates(reportData(store, sweep), historyOf(store, sweep.id));
    const { selection } = selectionOf(data, sweep.config, { ...asked, quality: "text.bitsPerByte" });
    store.close();
    const value = selection.chosen!.metrics[TIME]!.value;
    // From here on the device is twice as slow, so no layout keeps to the sweep's measurements of the choice.
    script({ ...NOISE, slowdowns: drift(2) });
    try {
      const { rejected } = await confirmIn("over.db", {
        quality: "text.bitsPerByte",
        budgets: [{ metric: TIME, max: value * 1.05 }],
        replacements: 1,
      });
      expect(rejected[0]).toMatchObject({
        trial: selection.chosen!.trial,
        reason: expect.stringMatching(
          /^decodeP50Ms@32:local is .* in new measurements, budget at most .*: its chance to be within is <?\d+%/,
        ),
      });
    } finally {
      script(NOISE);
    }
  });

  it("of a sweep that was stopped leaves it as it was, to be resumed to the same end", async () => {
    let trials = 0;
    await sweeps.run("halfway.db", CONFIG, {
      listen: (event) => {
        if (event.kind === "trial" && ++trials === 6) sweeps.copy("halfway.db", "half.db");
      },
    });
    const { chosen } = await confirmIn("half.db", { sessions: 2, replacements: 0 });
    expect(chosen).not.toBeNull();
    await sweeps.run("half.db", CONFIG, { resume: true });
    const targets = (db: string) =>
      sweeps.query(
        db,
        `SELECT t.number, j.kind, j.target FROM jobs j JOIN trials t ON t.id = j.trial_id
         WHERE j.target NOT LIKE '%#confirm%' AND j.target NOT LIKE '%#2' AND j.target NOT LIKE '%:2' ORDER BY 1, 2, 3`,
      );
    expect(targets("half.db")).toEqual(targets("halfway.db"));
    const samples = sweeps.query<{ sessions: string | null; samples: string }>(
      "half.db",
      `SELECT samples, sessions FROM metrics WHERE name = '${TIME}'`,
    );
    for (const one of samples) {
      const count = (JSON.parse(one.samples) as number[]).length;
      expect(count).toBe(3 * (one.sessions === null ? 1 : (JSON.parse(one.sessions) as number[]).length));
      expect(count).toBeLessThanOrEqual(6);
    }
  });
});
