import { afterAll, describe, expect, it } from "vitest";
import { summarise } from "../../profilers/statistics/summary.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import { findingsOf } from "../../runner/findings/sweep-findings.ts";
import { reportData, SweepReader } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { lineOf } from "../../runner/view/event-lines.ts";
import {
  config,
  folder,
  jobsSoFar,
  NOISE,
  type Row,
  repetitionsOf,
  script,
  spentOn,
  sweeps,
  trialsOf,
} from "../support/repeating-sweep.ts";

afterAll(() => folder.remove());

describe("repetitions", { timeout: 60_000 }, () => {
  it("go to layouts whose doubt moves the front, within the share, and join their samples", async () => {
    // So much noise that repetitions are worth more than some batches.
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
    // The same layouts as without repetitions.
    const kvs = (db: string) =>
      trialsOf(db)
        .map(({ kv }) => kv)
        .sort();
    expect(kvs("repeat.db")).toEqual(kvs("plain.db"));
    // At most 0.3 of the time spent before each choice, beside the four repetitions that estimate errors. A
    // few milliseconds are the machine's.
    expect(spentOn("repeat.db", "measure").share).toBeLessThan(0.35);

    const own = new Map<number, Row[]>();
    for (const row of rows) own.set(row.number, [...(own.get(row.number) ?? []), row]);
    for (const [number, again] of own) {
      expect(again.map(({ sources, nth }) => [sources, nth])).toEqual(
        again.map((_, n) => ['["local"]', n + 2]),
      );
      expect(again.length).toBeLessThanOrEqual(2);
      for (const { state, kind } of again) expect([state, kind]).toEqual(["joined", "measure"]);
      // No trial known at that time is better by more than the noise can hide: a tenth either way.
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

    // One short line each. Repetitions are not trials.
    const lines = events.flatMap((event) => lineOf(event) ?? []);
    expect(
      lines.filter((line) => /^trial \d+( \(front\))? {2}repeated: Median time per token .* -> /.test(line)),
    ).toHaveLength(rows.length);
    expect(events.filter(({ kind }) => kind === "trial")).toHaveLength(24);
    expect(lines.some((line) => /^proposed 8 layouts \(batch \d\), and \d+ repetitions?$/.test(line))).toBe(
      true,
    );
    expect(lines.some((line) => /^1 repetition of layouts that may be on the front/.test(line))).toBe(true);

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
    expect(finding.answer).toContain(
      `Repetitions: ${rows.length} more measurement${rows.length === 1 ? "" : "s"} and 0 more seeds.`,
    );
    expect(finding.table!.rows.flat().join("\n")).toMatch(/^[12] measured, 0 trained$/m);
    store.close();
  });

  it("estimate values from all samples, keep every measurement, and tell readers, the front and budgets", async () => {
    // From the first round with repetitions alone, the device is slower by far, so that budgets are violated.
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
    // The front that the store updates step by step equals the front of the present values.
    const kept = store.fronts.of(sweep.id, data.objectives);
    const expected = data.trials
      .filter(({ onFront }) => onFront)
      .map(({ number }) => store.trials.idOf(sweep.id, number));
    expect(kept).toEqual(expected);
    store.close();
  });
});
