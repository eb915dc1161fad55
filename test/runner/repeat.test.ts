// Repetitions in a running sweep, on a scripted device whose samples scatter: who is measured again, at what price, what becomes of the values,
// and that a kill, a fault or a void window leaves every trial as it should be.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { summarise } from "../../profilers/statistics/summary.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import { findingsOf } from "../../runner/findings/sweep-findings.ts";
import { reportData, SweepReader } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { lineOf } from "../../runner/view/event-lines.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import type { AgentScript } from "../support/scripted-agent.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const NOISE: AgentScript = { noise: 0.04, jobMs: 12 };
/** Errors are known from a few layouts that every such sweep repeats first. */
const config = (repeat: string, more = "", guarded = false): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: 24, batch: 8, replicate: { layouts: ${repeat === "" ? 0 : 4} }${repeat} }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 3, protocol: { guarded: ${guarded}, retries: 0, cvLimit: 0.5, windows: 1 } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: "kvBytes@32" }]
${more}
`;

let folder: ReturnType<typeof temporaryFolder>;
let sweeps: ScriptedSweeps;
const script = (text: AgentScript): void =>
  writeFileSync(join(folder.path, "script.json"), JSON.stringify(text));
const jobsSoFar = (): number => readFileSync(join(folder.path, "jobs.log")).length;
beforeAll(async () => {
  folder = temporaryFolder();
  writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  sweeps = await scriptedSweeps(folder.path, NOISE);
});
afterAll(() => folder.remove());

interface Row {
  readonly id: number;
  readonly trial: number;
  readonly number: number;
  readonly batch: number;
  readonly kind: string;
  readonly targets: string;
  readonly worth: string;
  readonly state: string;
  readonly cause: string | null;
  readonly reason: string | null;
}
const repetitionsOf = (db: string): readonly Row[] =>
  sweeps.query<Row>(
    db,
    "SELECT r.*, r.trial_id AS trial, t.number FROM repetitions r JOIN trials t ON t.id = r.trial_id ORDER BY r.id",
  );
const trialsOf = (db: string) =>
  sweeps.query<{ number: number; batch: number; state: string; kv: number; ms: number; samples: string }>(
    db,
    `SELECT number, batch, state, (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'kvBytes@32') AS kv,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'decodeP50Ms@32:local') AS ms,
       (SELECT samples FROM metrics WHERE trial_id = t.id AND name = 'decodeP50Ms@32:local') AS samples
     FROM trials t ORDER BY number`,
  );
const minutesOf = (db: string) =>
  sweeps.query<{ again: number; ms: number; kind: string }>(
    db,
    `SELECT kind, (target LIKE '%#%' OR target LIKE 'text:_' AND target <> 'text:1') AS again,
       sum((julianday(finished_at) - julianday(started_at)) * 86400000) AS ms FROM jobs GROUP BY 1, 2`,
  );
const spentOn = (db: string, kind: string): { readonly share: number } => {
  const rows = minutesOf(db).filter((row) => row.kind === kind);
  const all = rows.reduce((sum, { ms }) => sum + ms, 0);
  return { share: (rows.find(({ again }) => again === 1)?.ms ?? 0) / all };
};

describe("repetitions", { timeout: 60_000 }, () => {
  it("go to layouts whose doubt moves the front, within the share, and join their samples", async () => {
    // So much that repetitions are worth more than some batches.
    script({ ...NOISE, noise: 0.1 });
    await sweeps.run("plain.db", config(""));
    expect(repetitionsOf("plain.db")).toEqual([]);
    const events = await sweeps.run("repeat.db", config(", repeat: { share: 0.3, limit: 2 }"));
    script(NOISE);
    const rows = repetitionsOf("repeat.db");
    const trials = trialsOf("repeat.db");
    console.log(
      `${rows.length} repetitions, ${(100 * spentOn("repeat.db", "measure").share).toFixed(0)}% of the device time`,
    );
    expect(rows.length).toBeGreaterThan(3);
    expect(trials.filter(({ state }) => state === "complete")).toHaveLength(24);
    // The same layouts as ever, whatever was repeated between.
    const kvs = (db: string) =>
      trialsOf(db)
        .map(({ kv }) => kv)
        .sort();
    expect(kvs("repeat.db")).toEqual(kvs("plain.db"));
    // At most 0.3 of what was spent before each was chosen, and the four that errors are known from; a few milliseconds are the machine's.
    expect(spentOn("repeat.db", "measure").share).toBeLessThan(0.35);

    const own = new Map<number, Row[]>();
    for (const row of rows) own.set(row.number, [...(own.get(row.number) ?? []), row]);
    for (const [number, again] of own) {
      expect(again.map(({ targets }) => targets)).toEqual(
        again.map((_, n) => JSON.stringify([`local#${n + 2}`])),
      );
      expect(again.length).toBeLessThanOrEqual(2);
      for (const { state, kind } of again) expect([state, kind]).toEqual(["joined", "measure"]);
      // Nobody that was known then is better by more than the noise can hide: a tenth either way.
      const trial = trials[number]!;
      const [first] = again;
      const hopeless = trials.filter(
        (other) => other.batch < first!.batch && other.kv <= trial.kv && other.ms * 1.25 < trial.ms,
      );
      expect(hopeless).toEqual([]);
      expect(JSON.parse(trial.samples)).toHaveLength(3 * (again.length + 1));
    }
    const dominated = trials.filter((trial) =>
      trials.some((other) => other.batch === 0 && other.kv < trial.kv && other.ms * 1.25 < trial.ms),
    );
    expect(dominated.length).toBeGreaterThan(0);
    for (const { number } of dominated) expect(own.has(number)).toBe(false);

    // One short line each; repetitions are no trials.
    const lines = events.flatMap((event) => lineOf(event) ?? []);
    expect(
      lines.filter((line) => /^trial \d+( \(front\))? {2}again: Median time per token .* -> /.test(line)),
    ).toHaveLength(rows.length);
    expect(events.filter(({ kind }) => kind === "trial")).toHaveLength(24);
    expect(lines.some((line) => /^proposed 8 layouts \(batch \d\), and \d+ repetitions?$/.test(line))).toBe(
      true,
    );
    expect(lines.some((line) => /^1 repetition where the front is in doubt/.test(line))).toBe(true);

    const store = Store.open(`${folder.path}/repeat.db`);
    const sweep = store.sweeps.get("scripted");
    const data = reportData(store, sweep);
    const shown = data.trials.find(({ number }) => number === rows[0]!.number)!;
    expect(shown.metrics["decodeP50Ms@32:local"]!.provenance).toMatchObject({
      measurements: expect.stringMatching(/^1, 2/),
    });
    expect(shown.metrics["peakBytes:local"]!.samples.length).toBeGreaterThan(1);
    expect(new Set(data.timeline!.map(({ lane }) => lane))).toEqual(new Set(["local"]));
    const finding = findingsOf(store, sweep, data).find(({ id }) => id === "certainty")!;
    expect(finding.answer).toContain(`${rows.length} more measurements and 0 more seeds.`);
    expect(finding.table!.rows.flat().join("\n")).toMatch(/^[12] measured, 0 trained$/m);
    store.close();
  });

  it("estimate values from all samples, keep every measurement, and tell readers, the front and budgets", async () => {
    // From the first round that only repeats on the device is slower: by far after all, so that budgets break.
    const slower = (event: SweepEvent): void => {
      if (event.kind !== "proposed" || event.count > 0) return;
      const done = jobsSoFar();
      const slowdowns = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [done + n + 1, 1.5]));
      script({ ...NOISE, slowdowns });
    };
    const store = Store.open(`${folder.path}/slow.db`);
    let reader: SweepReader | null = null;
    const steps: string[] = [];
    const front = (data: ReturnType<SweepReader["read"]>): string =>
      JSON.stringify([
        data.trials.map(({ state, onFront, metrics }) => [state, onFront, metrics["decodeP50Ms@32:local"]]),
        data.frontSpans,
        data.timeline!.map(({ startMs, endMs }) => [startMs, endMs]),
        data.hypervolume.map(({ value }) => Number(value.toPrecision(9))),
      ]);
    await sweeps.run(
      "slow.db",
      config(
        ", repeat: { share: 1, limit: 1, minimumGain: 0 }",
        "budgets: [{ metric: decodeP50Ms@32, max: 1.36 }]",
      ),
      {
        listen: (event) => {
          slower(event);
          if (event.kind !== "repeated" && event.kind !== "trial") return;
          const sweep = store.sweeps.get("scripted");
          reader ??= new SweepReader(store, sweep);
          const now = front(reader.read(sweep));
          expect(now).toBe(front(reportData(store, sweep)));
          steps.push(now);
        },
      },
    );
    script(NOISE);
    expect(new Set(steps).size).toBeGreaterThan(24);
    const over = repetitionsOf("slow.db").filter(
      ({ number }) => trialsOf("slow.db")[number]!.state === "infeasible",
    );
    expect(over.length).toBeGreaterThan(0);
    const sweep = store.sweeps.get("scripted");
    const data = reportData(store, sweep);
    const rows = repetitionsOf("slow.db");
    for (const { number } of over) {
      const { reason, onFront } = data.trials.find((trial) => trial.number === number)!;
      expect(reason).toMatch(
        /^decodeP50Ms@32:local is \S+, budget max 1\.36, when it was measured once more$/,
      );
      expect(onFront).toBe(false);
    }
    for (const { trial, number } of rows) {
      const results = sweeps
        .query<{ result: string }>(
          "slow.db",
          `SELECT result FROM measurements m JOIN jobs j ON j.id = m.job_id WHERE j.trial_id = ${trial} ORDER BY j.target`,
        )
        .map(({ result }) => JSON.parse(result) as { contexts: { decodeMs: number[][] }[] });
      expect(results).toHaveLength(2);
      const sessions = results.map(({ contexts }) =>
        contexts[0]!.decodeMs.map((tokens) => summarise(tokens).median),
      );
      const shown = trialsOf("slow.db")[number]!;
      expect(JSON.parse(shown.samples)).toEqual(sessions.flat());
      const [first, second] = sessions.map((samples) => summarise(samples).median);
      expect(shown.ms).toBeCloseTo(Math.sqrt(first! * second!), 9);
    }
    // The front as the store keeps it step by step is that of the values now.
    const kept = store.fronts.of(sweep.id, data.objectives);
    const expected = data.trials
      .filter(({ onFront }) => onFront)
      .map(({ number }) => store.trials.idOf(sweep.id, number));
    expect(kept).toEqual(expected);
    store.close();
  });

  it("come to nothing where they fail or the device is not itself, and change nothing then", async () => {
    const before = new Map<number, unknown>();
    let rounds = 0;
    const events = await sweeps.run(
      "faults.db",
      config(", repeat: { share: 1, limit: 2, minimumGain: 0 }", "", true),
      {
        listen: (event) => {
          if (event.kind !== "proposed" || event.count > 0) return;
          const done = jobsSoFar();
          if (rounds === 0) for (const trial of trialsOf("faults.db")) before.set(trial.number, trial);
          // Every job of the first rounds crashes; in later ones each run is slower than the one before it, the sentinel's too.
          const next = Array.from({ length: 200 }, (_, n) => done + n + 1);
          script(
            rounds++ < 2
              ? { ...NOISE, jobs: Object.fromEntries(next.map((n) => [n + 1, "crash"])) }
              : { ...NOISE, slowdowns: Object.fromEntries(next.map((n) => [n, 1.4 ** (n - done)])) },
          );
        },
      },
    );
    script(NOISE);
    const last = repetitionsOf("faults.db").filter(({ batch }) => batch > 2);
    expect(last.length).toBeGreaterThan(2);
    const causes = new Set(last.map(({ state, cause }) => `${state} ${cause}`));
    expect(causes).toEqual(new Set(["failed crashed", "failed void"]));
    for (const { reason } of last) expect(reason).toMatch(/^as scripted|^local was not itself: throttled/);
    for (const trial of trialsOf("faults.db")) expect(before.get(trial.number)).toEqual(trial);
    const lines = events.flatMap((event) => lineOf(event) ?? []);
    expect(lines.filter((line) => line.includes("again: came to nothing: "))).toHaveLength(last.length);
    // What came to nothing is no evidence of any value.
    const store = Store.open(`${folder.path}/faults.db`);
    const sweep = store.sweeps.get("scripted");
    const data = reportData(store, sweep);
    const joined = repetitionsOf("faults.db").filter(({ state }) => state === "joined");
    for (const { number, metrics } of data.trials) {
      const times = joined.filter((row) => row.number === number).length;
      const { measurements } = metrics["decodeP50Ms@32:local"]!.provenance!;
      expect(measurements?.split(", ").length ?? 1).toBe(times + 1);
    }
    store.close();
  });

  it("are done once each after a kill at any moment, and no others in their batch", async () => {
    const text = config(", repeat: { share: 0.5, limit: 1, minimumGain: 0 }").replace(
      "trials: 24",
      "trials: 16",
    );
    const copies: string[] = [];
    await sweeps.run("calm.db", text, {
      listen: ({ kind }) => {
        if (kind !== "proposed" && kind !== "repeated") return;
        const copy = `killed-${copies.length}.db`;
        sweeps.copy("calm.db", copy);
        copies.push(copy);
      },
    });
    const planned = (db: string, batch: number) =>
      repetitionsOf(db)
        .filter((row) => row.batch <= batch)
        .map(({ number, batch, targets }) => ({ number, batch, targets }));
    const withOpen = copies.filter((copy) => repetitionsOf(copy).some(({ state }) => state === "planned"));
    expect(withOpen.length).toBeGreaterThan(2);
    for (const copy of [withOpen[0]!, withOpen.at(-1)!]) {
      const open = repetitionsOf(copy);
      const batch = Math.max(...open.map((row) => row.batch));
      const proposed = trialsOf(copy).filter((trial) => trial.batch <= batch).length;
      await sweeps.run(copy, text, { resume: true });
      const rows = repetitionsOf(copy);
      expect(planned(copy, batch)).toEqual(planned("calm.db", batch));
      expect(rows.every(({ state }) => state === "joined")).toBe(true);
      expect(new Set(rows.map(({ trial, targets }) => `${trial} ${targets}`)).size).toBe(rows.length);
      // A measurement for the first time and one for each repetition: none is missing, none is there twice.
      const [{ n }] = sweeps.query<{ n: number }>(copy, "SELECT count(*) AS n FROM measurements") as [
        { n: number },
      ];
      expect(n).toBe(16 + rows.length);
      expect(
        trialsOf(copy)
          .slice(0, proposed)
          .map(({ kv }) => kv),
      ).toEqual(
        trialsOf("calm.db")
          .slice(0, proposed)
          .map(({ kv }) => kv),
      );
    }
  });

  it("train one more seed where a score is in doubt, and think one seed no exact score", async () => {
    const score = `score:
  proxy: { width: 16, headDim: 8 }
  composite: { scaled: [{ metric: text.bitsPerByte, from: 8, to: 0 }] }
  tasks: { text: { task: bytes, options: { corpus: [corpus.txt], length: 32, validationFraction: 0.2 }, training: { steps: 8, batch: 4 } } }`;
    const text = config(", repeat: { share: 0.3, limit: 2 }", score).replace(
      /^objectives.*$/m,
      'objectives: [{ metric: text.bitsPerByte }, { metric: "kvBytes@32" }]',
    );
    await sweeps.run("trained.db", text);
    const rows = repetitionsOf("trained.db");
    expect(rows.length).toBeGreaterThan(1);
    for (const { kind, state } of rows) expect([kind, state]).toEqual(["train", "joined"]);
    const store = Store.open(`${folder.path}/trained.db`);
    const sweep = store.sweeps.get("scripted");
    for (const { number, metrics } of reportData(store, sweep).trials) {
      const times = rows.filter((row) => row.number === number).length;
      const { samples, value, provenance } = metrics["text.bitsPerByte"]!;
      expect(samples).toHaveLength(1 + times);
      expect(new Set(samples).size).toBe(1 + times);
      expect(value).toBeCloseTo(samples.reduce((sum, one) => sum + one, 0) / samples.length, 12);
      expect(provenance!.seeds).toBe(Array.from({ length: 1 + times }, (_, n) => n + 1).join(", "));
      expect(metrics["composite.scaled"]!.samples).toHaveLength(1 + times);
    }
    store.close();
  });
});
