// The stored front of a sweep equals the front of its trials, whatever happened to them and whichever process
// wrote them.
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Layout, layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { Metric } from "../../profilers/device-metrics.ts";
import { frontJson } from "../../reports/json.ts";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { frontData } from "../../runner/reading/front-data.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { nonDominated, orient } from "../../search/pareto.ts";
import { createRng } from "../../search/rng.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";

const config = parseSweepConfig(
  `name: s
space: { vocab: 256, width: 64, depth: 8, mixers: [c3], ffn: 64 }
search: { trials: 2 }
measure: { contexts: [64] }
objectives: [{ metric: decodeTokensPerSecond@64 }, { metric: peakBytes }]`,
  "s.yaml",
);
const objectives = resolveObjectives(config);
const layouts = Array.from({ length: 120 }, (_, n): Layout => {
  const taps = Array.from({ length: 8 }, (_, bit) => `c${2 + ((n >> bit) & 1)}`);
  return parseNotation(`v256 d64 f64 : ${taps.join(" ")}`);
});
/**
 * Faster layouts need more memory, so that fronts have several members. Few distinct values, so that equal
 * trials and ties in one objective occur.
 */
const values = (rng: { below(n: number): number }): Metric[] => {
  const fast = rng.below(12);
  return objectives.map(({ name, unit }, m) => {
    const value = m === 0 ? fast : fast + rng.below(12);
    return { name, unit, value, stable: true, samples: [] };
  });
};

it("hundreds of changes in any order, by two processes' connections, one of them lost in between", () => {
  const folder = temporaryFolder();
  const path = join(folder.path, "t.db");
  let [asking, other] = [Store.open(path), Store.open(path)];
  const { id: sweepId } = asking.sweeps.create("s", config, {});
  const proposals = layouts.map((candidate) => ({
    candidate,
    origin: { kind: "random" as const, parents: [], operator: null },
  }));
  asking.trials.propose(sweepId, 0, proposals, null);
  const trials = asking.trials.batch(sweepId, 0);
  const rng = createRng(5);
  const sizes = new Set<number>();
  for (let step = 0; step < 600; step++) {
    const writer = rng.below(2) === 0 ? asking : other;
    const { id } = trials[rng.below(trials.length)]!;
    // Trials are measured, ended, or measured again after their end; on the front or not, better or worse
    // than before.
    writer.metrics.put(id, values(rng));
    if (rng.below(3) > 0) writer.trials.finish(id, { state: rng.below(4) === 0 ? "infeasible" : "complete" });
    if (rng.below(3) > 0) continue;
    if (step % 100 === 0) {
      other.close();
      asking.close();
      [asking, other] = [Store.open(path), Store.open(path)];
    }
    const complete = asking.trials.all(sweepId).filter(({ state }) => state === "complete");
    const vectors = complete.map((trial) =>
      orient(
        Object.fromEntries(asking.metrics.ofTrial(trial.id).map(({ name, value }) => [name, value])),
        objectives,
      ),
    );
    const front = asking.fronts.of(sweepId, objectives);
    expect(front).toEqual(nonDominated(vectors).map((index) => complete[index]!.id));
    sizes.add(front.length);
    // Other objectives have a separate front, and leave the first unchanged.
    if (step % 10 === 0) {
      const one = asking.fronts.of(sweepId, objectives.slice(0, 1));
      expect(one).toEqual(
        nonDominated(vectors.map((vector) => vector.slice(0, 1))).map((index) => complete[index]!.id),
      );
    }
  }
  expect(sizes.size).toBeGreaterThan(3);
  asking.close();
  other.close();
  folder.remove();
});

it("of a sweep too large to be read whole is shown as of any other", () => {
  const folder = temporaryFolder();
  const large = new LargeSweep(folder.path);
  large.add(3000);
  const store = Store.open(large.path);
  const sweep = store.sweeps.get("synthetic");
  const [kept, whole] = [frontData(store, sweep), reportData(store, sweep)];
  expect(kept.trials.length).toBeLessThan(100);
  expect(frontJson(kept)).toEqual(frontJson(whole));
  expect(frontJson(kept).points.length).toBeGreaterThan(1);
  expect(kept.totals!.counts.complete).toBe(whole.trials.filter(({ state }) => state === "complete").length);
  store.close();
  large.close();
  folder.remove();
});

it("of layouts proposed but not ended is empty", () => {
  const store = Store.open(":memory:");
  const { id } = store.sweeps.create("s", config, {});
  const origin = { kind: "random" as const, parents: [], operator: null };
  store.trials.propose(id, 0, [{ candidate: layouts[0]!, origin }], null);
  expect(store.trials.batch(id, 0)[0]!.candidateId).toBe(layoutId(layouts[0]!));
  expect(store.fronts.of(id, objectives)).toEqual([]);
  store.close();
});

it("trials are counted by their numbers: an import leaves no gap where it names a layout twice", () => {
  const store = Store.open(":memory:");
  const { id } = store.sweeps.create("s", config, {});
  store.sweeps.create("empty", config, {});
  const imported = [0, 0, 1].map((n) => ({
    layout: layouts[n]!,
    metrics: [],
    end: { state: "infeasible" as const },
  }));
  store.trials.import(id, imported, "elsewhere");
  const origin = { kind: "random" as const, parents: [], operator: null };
  store.trials.propose(id, 0, [{ candidate: layouts[2]!, origin }], null);
  expect(store.trials.all(id).map(({ number }) => number)).toEqual([0, 1, 2]);
  expect(store.trials.count(id)).toBe(3);
  expect(store.sweeps.all().map(({ trials }) => trials)).toEqual([3, 0]);
  store.close();
});
