// A sweep read while it grows equals the sweep read at once. A page of a large sweep gets a selection, and
// states this.
import { afterEach, beforeEach, expect, it } from "vitest";
import { countStates, frontPoints, groupByReason } from "../../reports/front.ts";
import { renderHtml } from "../../reports/html.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { reportData, reportRows, SweepReader } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
let large: LargeSweep;
let store: Store;
beforeEach(() => {
  folder = temporaryFolder();
  large = new LargeSweep(folder.path);
  large.add(300);
  store = Store.open(large.path, { mustExist: true, readOnly: true });
});
afterEach(() => {
  store.close();
  large.close();
  folder.remove();
});

const now = () => store.sweeps.get("synthetic");
const numbersOf = (data: ReportData): number[] => frontPoints(data).map(({ trial }) => trial.number);

it("read bit by bit it is the same as read at once", () => {
  const reader = new SweepReader(store, now());
  for (const more of [0, 1, 40, 0, 259]) {
    large.add(more);
    const data = reader.read(now());
    const whole = reportData(store, now());
    // Volumes are summed in another order when the reference point moved in between.
    const volumes = ({ hypervolume }: ReportData) =>
      hypervolume.map(({ value }) => Number(value.toPrecision(9)));
    expect(volumes(data)).toEqual(volumes(whole));
    expect(JSON.stringify({ ...data, hypervolume: [] })).toBe(JSON.stringify({ ...whole, hypervolume: [] }));
  }
});

it("a selection keeps the front, the counts and the causes of the whole", () => {
  large.add(2700);
  const whole = reportData(store, now());
  const reader = new SweepReader(store, now(), { atMost: 800 });
  for (const more of [0, 3]) {
    large.add(more);
    const some = reader.read(now());
    const all = more === 0 ? whole : reportData(store, now());
    expect(some.trials.length).toBeLessThan(1100);
    expect(some.trials.length).toBeGreaterThan(500);
    expect(numbersOf(some)).toEqual(numbersOf(all));
    expect(some.frontSpans).toEqual(all.frontSpans);
    expect(countStates(some)).toEqual(countStates(all));
    expect(groupByReason(some).map(({ state, count }) => [state, count])).toEqual(
      groupByReason(all).map(({ state, count }) => [state, count]),
    );
    const byNumber = new Map(all.trials.map((trial) => [trial.number, trial]));
    for (const trial of some.trials)
      expect(JSON.stringify(trial)).toBe(JSON.stringify(byNumber.get(trial.number)));
    // The newest trials are present, because a reader waits for them.
    expect(some.trials.at(-1)!.number).toBe(all.trials.at(-1)!.number);
  }
  const page = renderHtml(reader.read(now()), { plotly: { source: "", packed: undefined } });
  expect(page).toContain("3,003 layouts are too many for one page");
  expect(page).toMatch(/<dd>3003<\/dd><dt>proposed/);
});

it("of a large sweep the first reading may leave out who worked when; the next one has it", () => {
  const reader = new SweepReader(store, now(), { atMost: 100, jobsLater: true });
  const first = reader.read(now());
  expect(reader.behind).toBe(true);
  expect(first.timeline).toEqual([]);
  const second = reader.read(now());
  expect(reader.behind).toBe(false);
  const whole = new SweepReader(store, now(), { atMost: 100 }).read(now());
  expect(second.timeline!.length).toBeGreaterThan(100);
  expect(JSON.stringify(second)).toBe(JSON.stringify(whole));
  // A small sweep is read completely at once.
  const small = new SweepReader(store, now(), { atMost: 5000, jobsLater: true });
  expect(small.read(now()).timeline!.length).toBeGreaterThan(100);
});

it("gone through trial by trial it is the sweep read at once, as it was when the reading began", () => {
  large.add(900);
  const whole = reportData(store, now());
  const { trials, metrics, ...facts } = reportRows(store, now());
  // Trials added meanwhile are not part of it.
  large.add(20);
  expect(JSON.stringify([...trials])).toBe(JSON.stringify(whole.trials));
  expect([...metrics].sort()).toEqual(
    [...new Set(whole.trials.flatMap((one) => Object.keys(one.metrics)))].sort(),
  );
  const { trials: _, ...wholeFacts } = whole;
  expect(facts).toEqual(wholeFacts);
  // A caller that requests fewer fields gets the same values.
  const lean = [...reportRows(store, now(), { jobs: false, evidence: false }).trials].slice(0, 1200);
  const bare = whole.trials.map(({ metrics: own, ...trial }) => ({
    ...trial,
    metrics: Object.fromEntries(
      Object.entries(own).map(([name, { provenance, ...metric }]) => [name, metric]),
    ),
  }));
  expect(lean.map(({ onFront, ...trial }) => trial)).toEqual(bare.map(({ onFront, ...trial }) => trial));
});
