// Sweeps of the same layouts at two times: how often nothing is mistaken for a change, and that a change is
// found.
import { expect, it } from "vitest";
import { judgeReruns, type Measured, type Rerun } from "../../profilers/rerun.ts";
import { createRng, normal } from "../../search/rng.ts";

const rng = createRng(11);
const METRICS = 6;
/** Noise between runs is 2%, in one run of ten much more; within a run 1%. */
const measured = (value: number): Measured => {
  const run = value * Math.exp(0.02 * normal(rng) * (rng.next() < 0.1 ? 3 : 1));
  const samples = Array.from({ length: 5 }, () => run * Math.exp(0.01 * normal(rng)));
  return { value: [...samples].sort((a, b) => a - b)[2]!, samples, stable: true };
};
const reruns = (layouts: number, factor: (layout: number) => number = () => 1): Rerun[] =>
  Array.from({ length: layouts }, (_, layout) => ({
    before: measured(10 + layout),
    after: measured((10 + layout) * factor(layout)),
  }));

it("of unchanged sweeps at most 5% show any shift, and few values move by themselves", () => {
  const rounds = 300;
  let [shifted, own] = [0, 0];
  for (let round = 0; round < rounds; round++) {
    const judged = judgeReruns(
      Array.from({ length: METRICS }, () => reruns(24)),
      rng,
    );
    shifted += Number(judged.some(({ shift }) => shift!.beyondNoise));
    own += judged.reduce((sum, one) => sum + one.own.length, 0);
  }
  const values = rounds * METRICS * 24;
  console.log(
    `unchanged: ${shifted} of ${rounds} sweeps show a shift, ${own} of ${values} values moved by themselves`,
  );
  expect(shifted / rounds).toBeLessThan(0.05);
  expect(own / values).toBeLessThan(0.01);
});

it("a shift of all layouts is one finding; a layout that moves apart from it is another", () => {
  const [steady, all, one] = judgeReruns(
    [reruns(24), reruns(24, () => 1.08), reruns(24, (layout) => (layout === 7 ? 1.08 * 1.8 : 1.08))],
    rng,
  ).map((judged) => ({ ...judged, shift: judged.shift! }));
  expect(steady!.shift).toMatchObject({ layouts: 24, beyondNoise: false });
  expect(steady!.own.length).toBeLessThan(3);
  for (const { shift } of [all!, one!]) {
    expect(shift.beyondNoise).toBe(true);
    expect(shift.change).toBeGreaterThan(0.05);
    expect(shift.interval.low).toBeLessThan(0.08);
    expect(shift.interval.high).toBeGreaterThan(0.08);
  }
  expect(one!.own).toContain(7);
  expect(all!.own).not.toContain(7);
});

it("few layouts: no shift is claimed, the repetitions decide; unstable values never do", () => {
  const [few] = judgeReruns([reruns(4, (layout) => (layout === 2 ? 1.5 : 1))], rng);
  expect(few!.shift!.beyondNoise).toBe(false);
  expect(few!.shift!.interval.high).toBe(Number.POSITIVE_INFINITY);
  expect(few!.own).toContain(2);
  const shaky = reruns(4, () => 1.5).map(({ before, after }) => ({
    before,
    after: { ...after, stable: false },
  }));
  expect(judgeReruns([shaky], rng)).toEqual([{ shift: null, own: [] }]);
});

it("what was computed, or scored 0, changed where it is not the same", () => {
  const computed = (value: number): Measured => ({ value, samples: [], stable: true });
  const scored = (value: number): Measured => ({ value, samples: [value], stable: true });
  const [counts, scores] = judgeReruns(
    [
      [100, 100].map((value, n) => ({ before: computed(value), after: computed(value + n) })),
      [0, 0].map((value, n) => ({ before: scored(value), after: scored(0.9 * n) })),
    ],
    rng,
  );
  expect(counts).toEqual({ shift: null, own: [1] });
  expect(scores).toEqual({ shift: null, own: [1] });
});
