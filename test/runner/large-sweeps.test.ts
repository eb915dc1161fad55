// A sweep with more trials than a page holds: each can be named, two sweeps can be compared, and all trials
// are written without being in memory at once.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parquetMetadata } from "hyparquet";
import { afterAll, beforeAll, expect, it } from "vitest";
import { frontPoints } from "../../reports/front.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { compareSweeps, sweepDiff } from "../../runner/reading/sweep-diff.ts";
import { reportData } from "../../runner/reading/sweep-reader.ts";
import { trialNamed } from "../../runner/reading/trial-named.ts";
import { Store } from "../../runner/store/store.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";

const TRIALS = 6000;

let folder: ReturnType<typeof temporaryFolder>;
let large: LargeSweep;
let store: Store;
let whole: ReportData;
beforeAll(() => {
  folder = temporaryFolder();
  large = new LargeSweep(folder.path);
  large.add(TRIALS);
  store = Store.open(large.path, { mustExist: true, readOnly: true });
  whole = reportData(store, store.sweeps.get("synthetic"));
});
afterAll(() => {
  store.close();
  large.close();
  folder.remove();
});

it("any trial is named by number, id and notation, points of the front by their label", () => {
  const sweep = store.sweeps.get("synthetic");
  // A trial that a page does not show.
  const wanted = whole.trials[4321]!;
  for (const name of ["#4321", wanted.id, wanted.id.slice(0, 12), wanted.notation]) {
    const { data, trial } = trialNamed(store, sweep, name);
    expect({ ...trial, layout: null }).toEqual({ ...wanted, layout: null });
    expect(data.trials.length).toBeLessThan(TRIALS);
    expect(data.totals!.trials).toBe(TRIALS);
  }
  expect(trialNamed(store, sweep, "f2").trial.number).toBe(frontPoints(whole)[1]!.trial.number);
  expect(() => trialNamed(store, sweep, `#${TRIALS}`)).toThrow(/has no layout/);
  expect(() => trialNamed(store, sweep, "l1-0")).toThrow(/begins \d+ ids/);
});

it("is compared by some of its layouts, spread evenly, and by all of its front", () => {
  const sweep = store.sweeps.get("synthetic");
  const diff = compareSweeps({ store, sweep }, { store, sweep });
  const all = sweepDiff(whole, whole);
  expect(diff.sharedInAll).toBe(all.shared);
  expect(diff.shared).toBeLessThan(all.shared * 0.7);
  expect(diff.shared).toBeGreaterThan(2000);
  expect(diff.front).toEqual(all.front);
  expect(diff.changes).toEqual([]);
  expect(diff.shifts.map(({ metric, change }) => [metric, change]).sort()).toEqual(
    all.shifts.map(({ metric, change }) => [metric, change]).sort(),
  );
});

it("is written in every format by a process with little memory", async () => {
  const small = { NODE_OPTIONS: "--max-old-space-size=80" };
  const complete = (...args: string[]) =>
    runCli(["report", "synthetic", ...args], folder.path, small).then((finished) => {
      expect(finished.stderr.includes("heap out of memory")).toBe(false);
      expect(finished.code).toBe(0);
      return finished.stdout;
    });
  const csv = (await complete("--format", "csv")).trimEnd().split("\r\n");
  expect(csv).toHaveLength(TRIALS + 1);
  expect(csv.at(-1)).toMatch(new RegExp(`^${TRIALS - 1},l1-`));
  await complete("--format", "jsonl", "--out", "all.jsonl");
  const lines = readFileSync(join(folder.path, "all.jsonl"), "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(TRIALS);
  expect(JSON.parse(lines[17]!).metrics["peakBytes:local"].provenance.isa).toBe("avx2");
  await complete("--format", "parquet", "--out", "all.parquet");
  const values = whole.trials.reduce((n, { metrics }) => n + Math.max(1, Object.keys(metrics).length), 0);
  const bytes = new Uint8Array(readFileSync(join(folder.path, "all.parquet"))).buffer;
  expect(Number(parquetMetadata(bytes).num_rows)).toBe(values);
});
