// Repetitions that fail, that a kill interrupts, or that are trainings. Afterwards every trial has the right
// state.
import { afterAll, describe, expect, it } from "vitest";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { lineOf } from "../../runner/view/event-lines.ts";
import {
  config,
  folder,
  jobsSoFar,
  NOISE,
  repetitionsOf,
  script,
  sweeps,
  trialsOf,
} from "../support/repeating-sweep.ts";

afterAll(() => folder.remove());

describe("repetitions", { timeout: 60_000 }, () => {
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
          // Every job of the first rounds crashes. In later rounds each run is slower than the one before,
          // calibration runs included.
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
    for (const { reason } of last)
      expect(reason).toMatch(/^as scripted|^the measurement on local is marked throttled/);
    for (const trial of trialsOf("faults.db")) expect(before.get(trial.number)).toEqual(trial);
    const lines = events.flatMap((event) => lineOf(event) ?? []);
    expect(lines.filter((line) => line.includes("repeated: failed ("))).toHaveLength(last.length);
    // A failed repetition is no evidence about any value.
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
        .map(({ number, batch, sources, nth }) => ({ number, batch, sources, nth }));
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
      expect(new Set(rows.map(({ trial, sources, nth }) => `${trial} ${sources} ${nth}`)).size).toBe(
        rows.length,
      );
      // One first measurement and one per repetition: none is missing, none exists twice.
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
