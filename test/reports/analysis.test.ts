// The report's derived analyses: edits and paths between layouts, lineage, importance, agreement of devices.
import { expect, test } from "vitest";
import { kendallTau } from "../../profilers/statistics/kendall.ts";
import { deviceAgreement } from "../../reports/agreement.ts";
import { editPath, editText, layerEdits } from "../../reports/edits.ts";
import { frontPoints } from "../../reports/front.ts";
import { lineageOf } from "../../reports/front-lineage.ts";
import { importanceOf, shareExplained } from "../../reports/importance.ts";
import { testReportData, testRng } from "../support/report-data.ts";

const data = testReportData();

test("edits between layouts, of one depth and of two", () => {
  expect(layerEdits("c3 c3 g", "c3 s256 g")).toEqual([{ layer: 1, from: "c3", to: "s256" }]);
  expect(layerEdits("c3", "c3")).toEqual([]);
  expect(layerEdits("c3 g", "c3 c5 g").map(editText)).toEqual(["c5 added before layer 1"]);
  expect(layerEdits("c3 c5 g s64", "c3 g s64").map(editText)).toEqual(["layer 1 c5 taken away"]);
  expect(layerEdits("c3", "c3 g").map(editText)).toEqual(["g added before layer 1"]);
});

test("a path makes one edit at a time, ends where it should, and passes through what is known", () => {
  const rng = testRng(3);
  const kinds = ["c3", "c5", "g", "s64"];
  const random = (length: number): string =>
    Array.from({ length }, () => kinds[rng.below(kinds.length)]!).join(" ");
  for (let round = 0; round < 60; round++) {
    const [from, to] = [random(2 + rng.below(12)), random(2 + rng.below(12))];
    const steps = editPath(from, to, () => rng.next() < 0.3);
    let at = from;
    for (const { pattern } of steps) {
      expect(layerEdits(at, pattern)).toHaveLength(1);
      at = pattern;
    }
    expect(at).toBe(to);
    expect(steps).toHaveLength(layerEdits(from, to).length);
  }
  const known = new Set(["g c3 c3", "g g c3"]);
  expect(
    editPath("c3 c3 c3", "g g g", (pattern) => known.has(pattern)).map(({ pattern }) => pattern),
  ).toEqual(["g c3 c3", "g g c3", "g g g"]);
});

test("lineage: every layout of the front is in it, parents come before their children, rows are lines", () => {
  const { nodes, rows, recorded } = lineageOf(data);
  expect(recorded).toBe(true);
  const byTrial = new Map(nodes.map((node) => [node.trial, node]));
  expect(byTrial.size).toBe(nodes.length);
  for (const { trial } of frontPoints(data)) expect(byTrial.has(trial.number)).toBe(true);
  const ids = new Map(data.trials.map(({ id, number }) => [number, id]));
  for (const { trial, parent } of nodes) {
    if (parent === null) continue;
    expect(byTrial.has(parent)).toBe(true);
    expect(data.trials[trial]!.parents).toContain(ids.get(parent));
    expect(parent).toBeLessThan(trial);
  }
  expect(new Set(nodes.map(({ row }) => row)).size).toBe(rows);
  // A row is one line: at most one of its nodes has a parent on another row.
  for (let row = 0; row < rows; row++) {
    const entering = nodes.filter(
      (node) => node.row === row && (node.parent === null || byTrial.get(node.parent)!.row !== row),
    );
    expect(entering).toHaveLength(1);
  }
});

test("without recorded parents a link joins layouts one edit apart", () => {
  const bare = { ...data, trials: data.trials.map(({ parents: _, ...trial }) => trial) };
  const twin = { ...bare.trials[1]!, number: bare.trials.length, id: "l1-twin", onFront: true };
  const pattern = bare.trials[0]!.pattern.replace(/^\S+/, "c9");
  const { nodes, recorded } = lineageOf({ ...bare, trials: [...bare.trials, { ...twin, pattern }] });
  expect(recorded).toBe(false);
  expect(nodes.find(({ trial }) => trial === twin.number)!.parent).toBe(0);
});

test("importance: the trait that makes a metric explains it, noise explains nothing", () => {
  const rng = testRng(5);
  const groups = Array.from({ length: 200 }, () => String(rng.below(4)));
  const made = groups.map((group) => Number(group) + 0.01 * rng.next());
  const noise = groups.map(() => rng.next());
  expect(shareExplained(groups, made)).toBeGreaterThan(0.99);
  expect(shareExplained(groups, noise)).toBeLessThan(0.05);
  expect(
    shareExplained(
      groups,
      groups.map(() => 1),
    ),
  ).toBe(0);
  const metrics = ["recall.accuracy", "peakBytes:laptop"];
  const { traits, measured } = importanceOf(testReportData({ trials: 200 }), metrics);
  expect(measured[0]).toBeGreaterThan(150);
  // The test data's recall grows with attention layers, most with global ones.
  const recall = [...traits].sort((a, b) => b.shares[0]! - a.shares[0]!)[0]!;
  expect(recall.name).toMatch(/attention layers|key-value heads/);
  expect(recall.shares[0]).toBeGreaterThan(0.4);
  expect(importanceOf(testReportData({ trials: 8 }), metrics).traits).toEqual([]);
});

test("agreement: tau against pairs counted by hand, and every pair of devices that measured the same", () => {
  const tauOf = (a: readonly number[], b: readonly number[]) =>
    kendallTau(a.map((value, n) => [value, b[n]!]));
  expect(tauOf([1, 2, 3, 4], [1, 2, 3, 4])).toBe(1);
  expect(tauOf([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
  // 5 pairs agree, 1 does not: (5 - 1) / 6.
  expect(tauOf([1, 2, 3, 4], [1, 2, 4, 3])).toBeCloseTo(4 / 6);
  // A tie on one side: 2 of 3 pairs agree; the denominator is sqrt(3 * 2).
  expect(tauOf([1, 2, 3], [1, 2, 2])).toBeCloseTo(2 / Math.sqrt(6));
  expect(tauOf([1, 1], [1, 2])).toBeNull();
  const rows = deviceAgreement(data);
  // 3 metrics at 2 contexts and peak memory, for 3 pairs of devices.
  expect(rows).toHaveLength(7 * 3);
  for (const { tau, regret } of rows) {
    expect(tau!.low).toBeLessThan(tau!.value);
    expect(tau!.high).toBeGreaterThan(tau!.value);
    expect(Math.min(...regret)).toBeGreaterThanOrEqual(0);
  }
  expect(deviceAgreement(testReportData({ devices: 1 }))).toEqual([]);
});
