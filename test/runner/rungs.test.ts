// Training in stages, on a scripted trainer whose loss follows the size of the proxy and its steps. Tests
// which trials are stopped at a rung, and what is kept and reported of them. No front trial is stopped, and a
// kill at any moment changes no verdict. rungs-trained.test.ts has the real trainer.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cachePath } from "../../runner/base/paths.ts";
import { findingsOf } from "../../runner/findings/sweep-findings.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { outcomeOf } from "../../runner/sweep/outcomes.ts";
import { RungOrder } from "../../runner/sweep/rung-order.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const RUNGS = "rungs: { at: [0.25, 0.5], eta: 8, margin: 0.05 }";
const config = (rungs: string, training = "{ steps: 40, batch: 4 }", space = ""): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128]${space} }
search: { strategy: random, trials: 16, batch: 8, replicate: { layouts: 0 } }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 2, protocol: { guarded: false, retries: 0 } }
score:
  proxy: { width: 16, headDim: 8 }
  seeds: [1, 2]
  ${rungs}
  tasks:
    text: { task: bytes, options: { corpus: [corpus.txt], length: 32, validationFraction: 0.2 }, training: ${training} }
    more: { task: bytes, options: { corpus: [corpus.txt], length: 16, validationFraction: 0.2 }, training: { steps: 20 } }
objectives: [{ metric: text.bitsPerByte }, { metric: "kvBytes@32" }, { metric: decodeP50Ms@32 }]
budgets: [{ metric: more.bitsPerByte, max: 1000 }]
`;

let folder: ReturnType<typeof temporaryFolder>;
let sweeps: ScriptedSweeps;
beforeAll(async () => {
  folder = temporaryFolder();
  writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  sweeps = await scriptedSweeps(folder.path);
  await sweeps.run("whole.db", config(""));
});
afterAll(() => folder.remove());

interface Ended {
  readonly number: number;
  readonly state: string;
  readonly cause: string | null;
  readonly reason: string | null;
  readonly loss: number | null;
  readonly kv: number;
}
const trialsOf = (db: string) =>
  sweeps.query<Ended>(
    db,
    `SELECT number, state, cause, reason,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'text.bitsPerByte') AS loss,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'kvBytes@32') AS kv
     FROM trials t ORDER BY number`,
  );
interface Verdict {
  readonly trial: number;
  readonly share: number;
  readonly goesOn: boolean;
}
/** Verdicts by trial and rung. */
const verdictsOf = (db: string) =>
  sweeps
    .query<{ data: string }>(db, "SELECT data FROM events WHERE kind = 'rung' ORDER BY id")
    .map(({ data }) => JSON.parse(data) as Verdict)
    .sort((a, b) => a.trial - b.trial || a.share - b.share);
const frontOf = (db: string): readonly number[] => {
  const store = Store.open(join(folder.path, db));
  const data = reportData(store, store.sweeps.get("scripted"));
  store.close();
  return data.trials.filter(({ onFront }) => onFront).map(({ number }) => number);
};
/** Checkpoints left in the cache. */
const left = (): readonly string[] => (existsSync(cachePath("runs")) ? readdirSync(cachePath("runs")) : []);

describe("rungs", { timeout: 60_000 }, () => {
  it("stop clearly worse trials, name the better one, score none of them, and leave the front unchanged", async () => {
    await sweeps.run("rungs.db", config(RUNGS));
    const [whole, trials] = [trialsOf("whole.db"), trialsOf("rungs.db")];
    const stopped = trials.filter(({ state }) => state === "stopped");
    expect(stopped.length).toBeGreaterThan(3);
    for (const { cause, reason, loss } of stopped) {
      expect({ cause, loss }).toEqual({ cause: "stopped-early", loss: null });
      expect(reason).toMatch(
        /^after (25|50)% of its training: trial \d+ was clearly better at that step and measures no worse \(text\.bitsPerByte \S+.* against .*kvBytes@32 .*more\.bitsPerByte .*\); place \d+ of \d+, the best \d continue$/,
      );
    }
    for (const trial of trials.filter(({ state }) => state === "complete"))
      expect(trial).toEqual(whole[trial.number]);
    expect(trials.every(({ state }) => state === "complete" || state === "stopped")).toBe(true);
    expect(frontOf("rungs.db")).toEqual(frontOf("whole.db"));
    expect(left()).toEqual([]);
  });

  it("train in parts, each from where the one before it paused", () => {
    const parts = sweeps.query<{ task: string; ends: string; runs: number; trials: number }>(
      "rungs.db",
      `SELECT task, group_concat(DISTINCT json_extract(result, '$.steps') || ' ' || json_extract(result, '$.stopped')) AS ends,
         count(*) AS runs, count(DISTINCT trial_id) AS trials FROM scores s JOIN jobs j ON j.id = s.job_id GROUP BY task`,
    );
    const stops = verdictsOf("rungs.db").filter(({ goesOn }) => !goesOn);
    const past = (share: number) => 16 - stops.filter((one) => one.share <= share).length;
    const part = (task: string, ends: string, trials: number) => ({ task, ends, runs: 2 * trials, trials });
    const expected = [
      part("more", "20 steps", past(0.5)),
      part("more@25%", "5 paused", 16),
      part("more@50%", "10 paused", past(0.25)),
      part("text", "40 steps", past(0.5)),
      part("text@25%", "10 paused", 16),
      part("text@50%", "20 paused", past(0.25)),
    ];
    expect(parts).toEqual(expected);
    expect(stops.map(({ trial }) => trial)).toEqual(
      trialsOf("rungs.db").flatMap(({ number, state }) => (state === "stopped" ? [number] : [])),
    );
    const again = sweeps.query<{ n: number }>(
      "rungs.db",
      "SELECT count(*) AS n FROM scores WHERE task = 'text' AND json_extract(result, '$.resumedFrom') = 20",
    );
    expect(again[0]!.n).toBeGreaterThan(0);
  });

  it("count as infeasible for strategies, and as stopped for readers", () => {
    const store = Store.open(join(folder.path, "rungs.db"));
    const sweep = store.sweeps.get("scripted");
    const stopped = store.trials.all(sweep.id).filter(({ state }) => state === "stopped");
    expect(outcomeOf(store, stopped[0]!)).toMatchObject({ state: "infeasible", violation: 0 });
    expect(outcomeOf(store, stopped[0]!).metrics).not.toHaveProperty("text.bitsPerByte");
    const data = reportData(store, sweep);
    for (const { number } of stopped)
      expect(data.trials[number]).toMatchObject({ state: "stopped", onFront: false });
    // They were measured, so the predictor uses them too.
    const findings = findingsOf(store, sweep, data);
    expect(findings.find(({ id }) => id === "predictor")!.table!.rows[0]![1]).toBe("16");
    const saved = findings.find(({ id }) => id === "rungs")!;
    expect(saved.answer).toMatch(
      new RegExp(
        `^${stopped.length} of 16 trials w(?:as|ere) stopped early: \\d\\d% of the training steps were taken`,
      ),
    );
    expect(saved.table!.rows.map(([, judged]) => judged)[0]).toBe("16");
    store.close();
  });

  it("give the same verdicts in a sweep that is killed anywhere and resumed", async () => {
    const copies: string[] = [];
    const text = config(RUNGS);
    let jobs = 0;
    await sweeps.run("again.db", text, {
      listen: ({ kind }) => {
        if (kind !== "job" || jobs++ % 12 !== 0) return;
        copies.push(`killed-${copies.length}.db`);
        sweeps.copy("again.db", copies.at(-1)!);
      },
    });
    expect(verdictsOf("again.db")).toEqual(verdictsOf("rungs.db"));
    for (const at of [0.3, 0.7]) {
      const copy = copies[Math.floor(at * copies.length)]!;
      const before = verdictsOf(copy);
      expect(before.length).toBeLessThan(verdictsOf("rungs.db").length);
      await sweeps.run(copy, text, { resume: true });
      expect(trialsOf(copy)).toEqual(trialsOf("rungs.db"));
      expect(verdictsOf(copy)).toEqual(verdictsOf("rungs.db"));
    }
    expect(left()).toEqual([]);
  });

  it("keep to what the task's own stop rule ended", async () => {
    const rule = "{ steps: 40, batch: 4, stop: { every: 5, hopelessStep: 5, hopelessLoss: 7 } }";
    await sweeps.run("ruled.db", config(RUNGS, rule));
    await sweeps.run("ruled-whole.db", config("", rule));
    const ended = sweeps.query<{ task: string; steps: number }>(
      "ruled.db",
      "SELECT DISTINCT task, json_extract(result, '$.steps') AS steps FROM scores WHERE json_extract(result, '$.stopped') = 'hopeless' ORDER BY task",
    );
    expect(ended).toEqual(["text", "text@25%", "text@50%"].map((task) => ({ task, steps: 5 })));
    const whole = trialsOf("ruled-whole.db");
    for (const trial of trialsOf("ruled.db").filter(({ state }) => state === "complete"))
      expect(trial).toEqual(whole[trial.number]);
  });

  it("judge layouts that were declared, and train them to the end", async () => {
    const declared = sweeps.query<{ layout: string }>(
      "rungs.db",
      "SELECT c.notation AS layout FROM trials t JOIN candidates c ON c.id = t.candidate_id WHERE t.state = 'stopped' ORDER BY t.number",
    );
    const include = `, include: [${declared.map(({ layout }) => JSON.stringify(layout)).join(", ")}]`;
    await sweeps.run("declared.db", config(RUNGS, undefined, include));
    const trials = trialsOf("declared.db");
    expect(trials.slice(0, declared.length).every(({ state }) => state === "complete")).toBe(true);
    expect(trials.some(({ state }) => state === "stopped")).toBe(true);
    expect(new Set(verdictsOf("declared.db").map(({ trial }) => trial)).size).toBe(16);
  });
});

describe("the order at a rung", () => {
  const { signal } = new AbortController();

  it("follows the trials' numbers, not their arrival", async () => {
    const order = new RungOrder();
    for (const trial of [3, 4, 5]) order.enter(trial);
    const judged: number[] = [];
    const come = (trial: number) =>
      order.turn(trial, 0.5, signal).then(() => {
        judged.push(trial);
        order.pass(trial, 0.5);
      });
    const last = come(5);
    const middle = come(4);
    await new Promise((resolve) => setImmediate(resolve));
    expect(judged).toEqual([]);
    order.pass(3, 0.25);
    await new Promise((resolve) => setImmediate(resolve));
    expect(judged).toEqual([]);
    order.leave(3);
    await Promise.all([last, middle]);
    expect(judged).toEqual([4, 5]);
  });

  it("ends with the sweep", async () => {
    const order = new RungOrder();
    order.enter(1);
    order.enter(2);
    const abort = new AbortController();
    const waiting = order.turn(2, 0.5, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toThrow(/abort/);
  });
});
