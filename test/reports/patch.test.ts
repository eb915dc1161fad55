// Changes between JSON values: applied to the older value they give the newer one, for any two values.
import { expect, test } from "vitest";
import { difference, type Patch, patched } from "../../reports/page/patch.ts";
import { viewOf } from "../../reports/page/view.ts";
import { testReportData, testRng } from "../support/report-data.ts";

const overTheWire = (patch: Patch): Patch => JSON.parse(JSON.stringify(patch)) as Patch;
const applied = (before: unknown, after: unknown): unknown => {
  const patch = difference(before, after);
  return patch === undefined ? before : patched(before, overTheWire(patch));
};

test("any JSON value becomes any other", () => {
  const rng = testRng(5);
  const value = (depth: number): unknown => {
    const kind = rng.below(depth > 2 ? 4 : 6);
    if (kind < 4) return [rng.below(4), `text ${rng.below(3)}`, null, rng.next() < 0.5][kind];
    const size = rng.below(6);
    if (kind === 4) return Array.from({ length: size }, () => value(depth + 1));
    return Object.fromEntries(
      Array.from({ length: size }, (_, n) => [`key${(n * 7) % 5}`, value(depth + 1)]),
    );
  };
  for (let round = 0; round < 3000; round++) {
    const [before, after] = [value(0), value(0)];
    expect(applied(before, after)).toEqual(after);
    expect(difference(before, structuredClone(before))).toBeUndefined();
  }
});

test("arrays that grow, shrink, lose from the middle, and change in many places", () => {
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  const changes: Record<string, number[]> = {
    "one more": [...numbers, 300],
    "one more, and a late one": [...numbers.with(7, -1), 300],
    "one from the middle, one more": [...numbers.toSpliced(120, 1), 300],
    fewer: numbers.slice(0, 200),
    "every second": numbers.map((n) => (n % 2 ? n : -n - 1)),
    none: [],
  };
  for (const [name, after] of Object.entries(changes)) {
    expect([name, applied(numbers, after)]).toEqual([name, after]);
    expect([name, applied(after, numbers)]).toEqual([name, numbers]);
  }
  const size = (after: number[]): number => JSON.stringify(difference(numbers, after)).length;
  expect(size(changes["one more, and a late one"]!)).toBeLessThan(60);
  expect(size(changes["one from the middle, one more"]!)).toBeLessThan(JSON.stringify(numbers).length);
});

test("one more trial is a small patch, and unchanged parts stay the same objects", () => {
  const whole = testReportData({ trials: 200 });
  const before = viewOf({ ...whole, trials: whole.trials.slice(0, -1) });
  const after = viewOf(whole);
  const patch = difference(before, after)!;
  const result = patched(before, overTheWire(patch)) as typeof after;
  expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse(JSON.stringify(after)));
  expect(JSON.stringify(patch).length).toBeLessThan(JSON.stringify(after).length / 20);
  expect(result.budgets).toBe(before.budgets);
  expect(result.trials[5]).toBe(before.trials[5]);
});
