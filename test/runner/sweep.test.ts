// The closed loop with the real agent: its results in the database, which kills do not change.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function query<T>(db: string, sql: string): T[] {
  const database = new Database(join(folder.path, db), { readonly: true });
  try {
    return database.prepare(sql).all() as T[];
  } finally {
    database.close();
  }
}

const proposalsOf = (db: string) =>
  query<{ number: number; batch: number; candidate_id: string }>(
    db,
    "SELECT number, batch, candidate_id FROM trials ORDER BY number",
  );

describe("a sweep", { timeout: 180_000 }, () => {
  it("measures, trains, stores and reports; the same seed proposes the same, with other numbers", async () => {
    const config = writeTinySweep(folder.path, {
      objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
      protocol: "{ retries: 1 }",
    });
    const [first, second] = [
      await runCli(["sweep", config, "--db", "a.db", "--json"], folder.path),
      await runCli(["sweep", config, "--db", "b.db", "--json"], folder.path),
    ];
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(proposalsOf("a.db")).toEqual(proposalsOf("b.db"));
    expect(proposalsOf("a.db")).toHaveLength(6);
    const front = JSON.parse(first.stdout);
    expect(front).toMatchObject({
      sweep: "tiny",
      objectives: [
        { name: "decodeP50Ms@32:local", direction: "min", unit: "ms" },
        { name: "text.bitsPerByte", direction: "min", unit: "bits/byte" },
      ],
    });
    expect(front.points.length).toBeGreaterThan(0);
    for (const point of front.points) {
      expect(point).toMatchObject({
        id: expect.any(String),
        notation: expect.any(String),
        parameters: expect.any(Number),
      });
      expect(Object.keys(point.metrics)).toContain("decodeP50Ms@32:local");
    }
    const times = (db: string) =>
      query<{ value: number }>(
        db,
        "SELECT value FROM metrics WHERE name = 'decodeP50Ms@32:local' ORDER BY trial_id",
      );
    expect(times("a.db")).toHaveLength(6);
    expect(times("a.db")).not.toEqual(times("b.db"));
    // The conduct of each measurement is stored with it: the rules, the calibration runs around it, every
    // process.
    for (const { request, result } of query<{ request: string; result: string }>(
      "a.db",
      "SELECT request, result FROM measurements",
    )) {
      const { conduct } = JSON.parse(request);
      expect(conduct).toMatchObject({
        flags: expect.any(Array),
        rules: { guarded: true, rounds: 1, windows: 2, sentinel: { everyBlocks: 32 } },
        readiness: { looks: expect.any(Array) },
        sentinel: { drift: expect.any(Number) },
      });
      expect(conduct.sentinel.before.prefillMs).toHaveLength(5);
      expect(conduct.place).toBeLessThan(conduct.contenders);
      // One fresh process per window, and the processor time that others took meanwhile.
      expect(conduct.rounds.length).toBeGreaterThanOrEqual(2);
      expect(conduct.kept).toHaveLength(conduct.rounds.length);
      for (const round of conduct.rounds)
        expect(round).toMatchObject({
          outputHash: JSON.parse(result).outputHash,
          disturbance: { wallMs: expect.any(Number) },
        });
    }
    const losses = (db: string) =>
      query<{ value: number }>(
        db,
        "SELECT value FROM metrics WHERE name = 'text.bitsPerByte' ORDER BY trial_id",
      );
    expect(losses("a.db")).toEqual(losses("b.db"));
    expect(readFileSync(join(folder.path, "report-tiny.html"), "utf8")).toContain("tiny");
  });

  it("over a budget known without measuring costs no measurement; over a measured one no training", async () => {
    const config = writeTinySweep(folder.path, {
      budgets: '[{ metric: "attentionLayers", max: 1 }, { metric: peakBytes, max: 1KB }]',
    });
    const { code, stderr } = await runCli(["sweep", config], folder.path);
    expect(code).toBe(0);
    expect(stderr).toMatch(/infeasible: attentionLayers is \d, budget max 1/);
    const states = query<{ state: string; cause: string }>(
      "edgefront.db",
      "SELECT DISTINCT state, cause FROM trials",
    );
    expect(states).toEqual([{ state: "infeasible", cause: "over-budget" }]);
    const [counts] = query<{ measured: number; trained: number; few: number }>(
      "edgefront.db",
      `SELECT (SELECT count(*) FROM measurements) AS measured, (SELECT count(*) FROM scores) AS trained,
        (SELECT count(*) FROM metrics WHERE name = 'attentionLayers' AND value <= 1) AS few`,
    );
    expect(counts!.trained).toBe(0);
    expect(counts!.measured).toBe(counts!.few);
  });

  it("stopped by Ctrl-C says how to go on, and goes on", async () => {
    const config = writeTinySweep(folder.path, { steps: 400, trials: 4 });
    const { child, finished } = startCli(["sweep", config], folder.path);
    let interrupted = false;
    child.stderr!.on("data", (text: Buffer) => {
      // Only once: a second Ctrl-C ends the process at once.
      if (!interrupted && text.includes("trial 0")) interrupted = child.kill("SIGINT");
    });
    const stopped = await finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/interrupted: finished work is kept.*--resume/);
    const resumed = await runCli(["sweep", config, "--resume"], folder.path);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).toMatch(/resumed with \d of 4 trials finished/);
    expect(query("edgefront.db", "SELECT 1 FROM trials WHERE state = 'complete'")).toHaveLength(4);
  });

  it("cannot be resumed while it runs, nor started twice", async () => {
    const config = writeTinySweep(folder.path, { steps: 2000, trials: 2 });
    const { child, finished } = startCli(["sweep", config], folder.path);
    await new Promise<void>((resolve) => {
      child.stderr!.on("data", (text: Buffer) => text.includes("proposed") && resolve());
    });
    const again = await runCli(["sweep", config, "--resume"], folder.path);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringMatching(/is being run by process \d+/) });
    child.kill("SIGINT");
    expect((await finished).code).toBe(130);
  });
});

describe("two sweeps at once", { timeout: 180_000 }, () => {
  it("on one database and one machine take turns, and both end whole", async () => {
    const configs = ["one", "two"].map((name) =>
      writeTinySweep(folder.path, {
        name,
        trials: 4,
        seed: name.length,
        protocol: "{ rounds: 2, windows: 1, retries: 0 }",
      }),
    );
    const finished = await Promise.all(
      configs.map((config, i) => runCli(["sweep", config, "--out", `${i}.html`], folder.path)),
    );
    expect(finished.map(({ code }) => code)).toEqual([0, 0]);
    expect(
      query(
        "edgefront.db",
        "SELECT s.name, count(*) AS n FROM trials t JOIN sweeps s ON s.id = t.sweep_id WHERE t.state = 'complete' GROUP BY s.id ORDER BY s.name",
      ),
    ).toEqual([
      { name: "one", n: 4 },
      { name: "two", n: 4 },
    ]);
    // The jobs' own times do not overlap: nothing is measured during another measurement or a training. Each
    // job is measured in one window here; between several windows, other jobs have turns. Jobs of one window
    // are exempt: they take turns and end together. A job's end is written after its host was handed on,
    // hence the 150 ms.
    const spans = query<{ start: number; end: number; kind: string; sweep: number }>(
      "edgefront.db",
      `SELECT 86400000 * julianday(j.started_at) AS start, 86400000 * julianday(j.finished_at) AS end, j.kind, t.sweep_id AS sweep
       FROM jobs j JOIN trials t ON t.id = j.trial_id ORDER BY j.started_at`,
    );
    expect(spans).toHaveLength(16);
    for (const [i, span] of spans.entries()) {
      for (const before of spans.slice(0, i)) {
        const together = span.kind === "measure" && before.kind === "measure" && span.sweep === before.sweep;
        if (!together) expect(span.start).toBeGreaterThan(before.end - 150);
      }
    }
  });
});

describe("kill -9 of the coordinator at 20 random moments", { timeout: 600_000 }, () => {
  it("leaves the proposals, scores and measurements of an uninterrupted run, each once", async () => {
    // NSGA-II asks again after every generation, so that its state survives the kills too.
    const config = writeTinySweep(folder.path, { strategy: "nsga2", trials: 12, batch: 4, steps: 20 });
    const calm = await runCli(["sweep", config, "--db", "calm.db"], folder.path);
    expect(calm.stderr).toContain("report: ");
    const results = (db: string) =>
      query(
        db,
        `SELECT t.number, t.state, m.name, m.value FROM trials t JOIN metrics m ON m.trial_id = t.id
         WHERE m.name IN ('text.bitsPerByte', 'kvBytes@32') ORDER BY t.number, m.name`,
      );
    const counts = (db: string) =>
      query(
        db,
        `SELECT (SELECT count(*) FROM jobs WHERE state = 'done') AS jobs, (SELECT count(*) FROM measurements) AS measurements,
          (SELECT count(*) FROM scores) AS scores`,
      );
    const expectEqualToCalm = (db: string): void => {
      expect(proposalsOf(db)).toEqual(proposalsOf("calm.db"));
      expect(results(db)).toEqual(results("calm.db"));
      expect(counts(db)).toEqual([{ jobs: 24, measurements: 12, scores: 12 }]);
      expect(query(db, "SELECT 1 FROM jobs WHERE state <> 'done'")).toEqual([]);
      expect(query(db, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
      expect(query(db, "PRAGMA foreign_key_check")).toEqual([]);
    };
    expect(counts("calm.db")).toEqual([{ jobs: 24, measurements: 12, scores: 12 }]);

    // A run that ends before its kill is compared, and later kills hit a new run. Moments come from a fixed
    // sequence.
    let kills = 0;
    for (let round = 0; kills < 20; round++) {
      const db = `rough${round}.db`;
      for (let begun = false, done = false; !done; ) {
        const args = ["sweep", config, "--db", db, ...(begun ? ["--resume"] : [])];
        const { child, finished } = startCli(args, folder.path);
        const delay = 700 + (((kills + 1) * 7919) % 2300);
        const timer = setTimeout(() => kills < 20 && child.kill("SIGKILL"), delay);
        const { signal, code, stderr } = await finished;
        clearTimeout(timer);
        if (signal === "SIGKILL") kills++;
        else expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("report: ") });
        begun ||= /proposed|sweep tiny/.test(stderr);
        done = signal === null;
      }
      expectEqualToCalm(db);
    }
    expect(kills).toBe(20);
  });
});
