// Screening in a running sweep, on a scripted device with four bytes of memory per parameter. Tests which
// proposals are skipped and audited, the report's text, and that a kill at any moment changes none of these.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parameterCount } from "../../candidates/cost.ts";
import { Space } from "../../candidates/space.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { findingsOf } from "../../runner/findings/sweep-findings.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import type { ScreeningEvent } from "../../runner/sweep/batch-screening.ts";
import { createRng } from "../../search/rng.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const BUDGET = 1_400_000;
const config = (screening: string, search = "trials: 30, batch: 6"): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, ${search}, replicate: { layouts: 0 }${screening} }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 2, protocol: { guarded: false, retries: 0 } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: parameters, direction: max }]
budgets: [{ metric: peakBytes, max: ${BUDGET} }]
`;

let folder: ReturnType<typeof temporaryFolder>;
let sweeps: ScriptedSweeps;
beforeAll(async () => {
  folder = temporaryFolder();
  sweeps = await scriptedSweeps(folder.path);
});
afterAll(() => folder.remove());

const trialsOf = (db: string) =>
  sweeps.query<{
    number: number;
    batch: number;
    id: string;
    state: string;
    reason: string | null;
    jobs: number;
  }>(
    db,
    `SELECT number, batch, candidate_id AS id, state, reason, (SELECT count(*) FROM jobs WHERE trial_id = t.id) AS jobs
     FROM trials t ORDER BY number`,
  );
const eventsOf = (db: string) =>
  sweeps
    .query<{ data: string }>(db, "SELECT data FROM events WHERE kind = 'screening' ORDER BY id")
    .map(({ data }) => JSON.parse(data) as ScreeningEvent);

describe("screening", { timeout: 60_000 }, () => {
  it("measures nothing that is certainly over budget, audits a share, and changes nothing unless asked for", async () => {
    await sweeps.run("plain.db", config(""));
    await sweeps.run("screened.db", config(", screening: { coverage: 0.9, audit: 0.25 }"));
    const plain = trialsOf("plain.db");
    expect(plain).toHaveLength(30);
    expect(plain.every(({ jobs }) => jobs === 1)).toBe(true);
    expect(eventsOf("plain.db")).toEqual([]);

    const trials = trialsOf("screened.db");
    const screened = trials.filter(({ state }) => state === "screened");
    expect(screened.length).toBeGreaterThan(3);
    // Skipped proposals are not trials: equally many are measured, and the first batches are the same.
    expect(trials.length - screened.length).toBe(30);
    const firstIds = (all: typeof trials) =>
      all
        .filter(({ batch }) => batch < 2)
        .map(({ id }) => id)
        .sort();
    expect(firstIds(trials)).toEqual(firstIds(plain));
    for (const { jobs, reason } of screened) {
      expect(jobs).toBe(0);
      expect(reason).toMatch(
        /^peakBytes:local is predicted as \d+(\.\d+)?(e\+\d)? \(90%: .* to .*\), budget max 1400000$/,
      );
    }
    expect(
      sweeps.query(
        "screened.db",
        "SELECT 1 FROM metrics m JOIN trials t ON t.id = m.trial_id WHERE t.state = 'screened'",
      ),
    ).toEqual([]);

    // No layout within budget was skipped, because on this device memory follows from the layout.
    const store = Store.open(`${folder.path}/screened.db`);
    const sweep = store.sweeps.get("scripted");
    const bytes = new Map(
      store.trials.all(sweep.id).map((trial) => [trial.candidateId, 1e6 + 4 * parameterCount(trial.layout)]),
    );
    for (const { id } of screened) expect(bytes.get(id)!).toBeGreaterThan(BUDGET);

    const notes = eventsOf("screened.db").flatMap(({ proposals }) => proposals);
    const audited = notes.filter(({ verdict }) => verdict === "audited");
    const against = audited.length + screened.length;
    expect(Math.abs(audited.length - 0.25 * against)).toBeLessThanOrEqual(1);
    for (const { id } of audited) expect(trials.find((trial) => trial.id === id)!.state).toBe("infeasible");
    const predicted = notes.flatMap(({ id, predictions }) =>
      predictions.map((one) => ({ ...one, actual: bytes.get(id)! })),
    );
    const inside = predicted.filter(({ low, high, actual }) => actual >= low && actual <= high).length;
    expect(inside / predicted.length).toBeGreaterThan(0.8);

    // The proposal with the largest expected gain is measured first.
    for (const { proposals } of eventsOf("screened.db")) {
      const gains = proposals.map(({ gain }) => gain ?? 0);
      expect(gains).toEqual(gains.toSorted((a, b) => b - a));
    }
    const data = reportData(store, sweep);
    expect(data.trials.filter(({ state, onFront }) => state === "screened" && onFront)).toEqual([]);
    const finding = findingsOf(store, sweep, data).find(({ id }) => id === "screening")!;
    expect(finding.answer).toContain(
      `${screened.length} layouts were skipped, because the predictor was 90% confident`,
    );
    expect(finding.answer).toContain(
      `As an audit, ${audited.length} layouts more were measured: ${audited.length} over budget, 0 within budget`,
    );
    store.close();
  });

  it("ends where nearly all is over budget, instead of looking for more for ever", async () => {
    const impossible = config(", screening: { coverage: 0.9, audit: 0, candidates: 2 }").replace(
      `${BUDGET}`,
      "1000",
    );
    await sweeps.run("none.db", impossible);
    const trials = trialsOf("none.db");
    expect(trials).toHaveLength(60);
    expect(trials.filter(({ state }) => state === "infeasible").length).toBeLessThan(25);
    expect(sweeps.query("none.db", "SELECT state FROM sweeps")).toEqual([{ state: "complete" }]);
  });

  it("learns from what runs out of memory, without calling it a bad value", async () => {
    // Layouts above this number of parameters do not fit the device.
    const large = 90_000;
    const home = temporaryFolder();
    const sizes = new Space(parseSweepConfig(config(""), "sizes").space);
    const rng = createRng(5);
    const counts = new Set<number>();
    for (let n = 0; n < 4000; n++) {
      const realized = sizes.realize(sizes.sampleGenome(rng));
      if (realized.ok) counts.add(parameterCount(realized.layout));
    }
    const parameters = Object.fromEntries(
      [...counts].filter((n) => n > large).map((n) => [n, "out-of-memory" as const]),
    );
    const own = await scriptedSweeps(home.path, { parameters });
    const text = config(
      ", screening: { coverage: 0.9, audit: 0.2, leastChance: 0.3 }",
      "trials: 30, batch: 6",
    ).replace(/^budgets.*$/m, "");
    await own.run("memory.db", text);
    const trials = own.query<{
      state: string;
      cause: string | null;
      reason: string;
      jobs: number;
      parameters: number;
    }>(
      "memory.db",
      `SELECT t.state, t.cause, t.reason, c.parameters, (SELECT count(*) FROM jobs WHERE trial_id = t.id) AS jobs
       FROM trials t JOIN candidates c ON c.id = t.candidate_id`,
    );
    const screened = trials.filter(({ state }) => state === "screened");
    expect(screened.length).toBeGreaterThan(3);
    for (const { jobs, cause, reason } of screened)
      expect({ jobs, cause, reason }).toMatchObject({
        jobs: 0,
        cause: "runs-out",
        reason: expect.stringMatching(/^its chance to fit/),
      });
    const right = screened.filter((one) => one.parameters > large).length;
    console.log(`${screened.length} spared, ${right} of them would have run out of memory`);
    expect(right / screened.length).toBeGreaterThan(0.7);
    expect(trials.filter(({ cause }) => cause === "out-of-memory").length).toBeGreaterThan(2);
    home.remove();
  });

  it("goes on after a kill at any moment with the same proposals and verdicts", async () => {
    const text = config(", screening: { coverage: 0.9, audit: 0.25 }", "trials: 20, batch: 5");
    const copies: string[] = [];
    await sweeps.run("calm.db", text, {
      listen: (event) => {
        if (event.kind !== "proposed" && event.kind !== "trial") return;
        const copy = `killed-${copies.length}.db`;
        sweeps.copy("calm.db", copy);
        copies.push(copy);
      },
    });
    const calm = trialsOf("calm.db");
    expect(calm.filter(({ state }) => state === "screened").length).toBeGreaterThan(1);
    // Every ninth moment, from the first batch that was screened.
    for (const copy of copies.filter((_, n) => n % 9 === 4)) {
      await sweeps.run(copy, text, { resume: true });
      expect(trialsOf(copy)).toEqual(calm);
      expect(eventsOf(copy)).toEqual(eventsOf("calm.db"));
    }
  });
});
