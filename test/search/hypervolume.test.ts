// Hypervolume against an independent implementation: the compressed coordinate grid, every cell counted once.
import { describe, expect, it } from "vitest";
import {
  contributions,
  hypervolume,
  hypervolumeImprovement,
  referencePoint,
} from "../../search/hypervolume.ts";
import { createRng } from "../../search/rng.ts";

/**
 * Cuts space at every coordinate of every point, and adds the cells whose lower corner some point dominates.
 */
function byGrid(points: readonly (readonly number[])[], reference: readonly number[]): number {
  const cuts = reference.map((limit, m) =>
    [...new Set([...points.map((point) => point[m]!).filter((value) => value < limit), limit])].sort(
      (a, b) => a - b,
    ),
  );
  let total = 0;
  const corner: number[] = [];
  const visit = (m: number, volume: number): void => {
    if (m === reference.length) {
      if (points.some((point) => point.every((value, k) => value <= corner[k]!))) total += volume;
      return;
    }
    for (let n = 0; n + 1 < cuts[m]!.length; n++) {
      corner[m] = cuts[m]![n]!;
      visit(m + 1, volume * (cuts[m]![n + 1]! - cuts[m]![n]!));
    }
  };
  visit(0, 1);
  return total;
}

/** Inclusion and exclusion over all subsets: a third method, for few points. */
function byInclusion(points: readonly (readonly number[])[], reference: readonly number[]): number {
  let total = 0;
  for (let subset = 1; subset < 2 ** points.length; subset++) {
    const chosen = points.filter((_, index) => (subset >> index) & 1);
    const corner = reference.map((_, m) => Math.max(...chosen.map((point) => point[m]!)));
    const box = corner.reduce((product, value, m) => product * Math.max(0, reference[m]! - value), 1);
    total += chosen.length % 2 === 1 ? box : -box;
  }
  return total;
}

const rng = createRng(42);
const randomPoint = (dimensions: number, levels: number): number[] =>
  Array.from({ length: dimensions }, () => (levels > 0 ? rng.below(levels) / levels : rng.next()));
/** Points on the simplex or the sphere, all non-dominated. */
const frontPoint = (dimensions: number): number[] => {
  const raw = Array.from({ length: dimensions }, () => -Math.log(1 - rng.next()));
  const sum = raw.reduce((a, b) => a + b, 0);
  return raw.map((value) => value / sum);
};
const close = (a: number, b: number): void =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(b)));

describe.each([1, 2, 3, 4, 5])("hypervolume in %i dimensions", (dimensions) => {
  const reference = Array.from({ length: dimensions }, () => 0.9);
  const size = dimensions > 3 ? 10 : 16;

  it.each([
    ["random, many dominated, some beyond the reference", () => randomPoint(dimensions, 0)],
    [
      "few levels: duplicates and points on the reference",
      () => randomPoint(dimensions, 10).map((v) => (v > 0.85 ? 0.9 : v)),
    ],
    ["three levels: equal coordinates everywhere", () => randomPoint(dimensions, 3)],
    ["a true front", () => frontPoint(dimensions)],
  ])("%s", (_name, draw) => {
    for (let n = 0; n < 40; n++) {
      const points = Array.from({ length: rng.below(size) + 1 }, draw);
      const volume = hypervolume(points, reference);
      close(volume, byGrid(points, reference));
      const few = points.slice(0, 8);
      close(hypervolume(few, reference), byInclusion(few, reference));
      close(hypervolume([...points, ...points], reference), volume);
      close(hypervolume(points.toReversed(), reference), volume);
      const extra = draw();
      close(
        hypervolumeImprovement(extra, points, reference),
        byGrid([...points, extra], reference) - byGrid(points, reference),
      );
    }
  });

  it("contributions are the volume lost without each point", () => {
    const points = Array.from({ length: 8 }, () => randomPoint(dimensions, 5));
    const volume = byGrid(points, reference);
    for (const [index, share] of contributions(points, reference).entries()) {
      close(share, volume - byGrid(points.toSpliced(index, 1), reference));
    }
  });

  it("is 0 for no points, and for points on or beyond the reference", () => {
    expect(hypervolume([], reference)).toBe(0);
    expect(hypervolume([reference, reference.map(() => 2)], reference)).toBe(0);
  });
});

describe("hypervolume", () => {
  it("refuses what is not finite or of another length", () => {
    expect(() => hypervolume([[0, Number.NaN]], [1, 1])).toThrow(RangeError);
    expect(() => hypervolume([[0]], [1, 1])).toThrow(RangeError);
    expect(() => hypervolume([[0, 0]], [1, Number.POSITIVE_INFINITY])).toThrow(RangeError);
  });

  it("a reference point lies beyond the worst of every objective, also of flat ones", () => {
    expect(
      referencePoint([
        [0, 5, 0],
        [10, 5, 0],
      ]),
    ).toEqual([11, 5.5, 1]);
  });

  it("takes a front of 100 points in 4 dimensions in less than a second", () => {
    const points = Array.from({ length: 100 }, () => frontPoint(4));
    const started = performance.now();
    expect(hypervolume(points, [1, 1, 1, 1])).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
