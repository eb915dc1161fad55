import { describe, expect, it } from "vitest";
import { isWeak, stratified, withinStrata } from "../../profilers/fidelity.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { meanInterval } from "../../profilers/statistics/student.ts";
import { compositeMetric, compositeSchema } from "../../profilers/tasks/composite.ts";
import { createRng } from "../../search/rng.ts";

describe("a proxy is weak", () => {
  const rng = createRng(1);
  const dear = Array.from({ length: 24 }, () => rng.next());
  const pairsWith = (cheap: (x: number) => number) => dear.map((x) => [cheap(x), x] as const);
  it("where its order may be chance, not where it follows the dear one", () => {
    expect(
      isWeak(
        agreement(
          pairsWith((x) => x + 0.02 * rng.next()),
          createRng(2),
        ),
      ),
    ).toBe(false);
    expect(
      isWeak(
        agreement(
          pairsWith(() => rng.next()),
          createRng(2),
        ),
      ),
    ).toBe(true);
  });
  it("where it does not tell layouts apart, or too few were looked at", () => {
    expect(
      isWeak(
        agreement(
          pairsWith(() => 1),
          createRng(2),
        ),
      ),
    ).toBe(true);
    expect(isWeak(agreement(pairsWith((x) => x).slice(0, 3), createRng(2)))).toBe(true);
  });
});

describe("agreement within strata", () => {
  const rng = createRng(5);
  // Half can recall. Within either half the cheap score is random.
  const accuracies = Array.from({ length: 24 }, (_, n) => (n < 12 ? 0.95 : 0.2));
  const pairs = accuracies.map((truth) => [truth + 0.05 * rng.next(), truth + 0.05 * rng.next()] as const);
  it("shows that a proxy which tells only two kinds apart orders neither", () => {
    const whole = agreement(pairs, createRng(1))!;
    const [can, cannot] = withinStrata(pairs, accuracies, () => createRng(1));
    expect(whole.tau).toBeGreaterThan(0.4);
    expect(can).toMatchObject({ stratum: "can recall", layouts: 12 });
    expect(cannot).toMatchObject({ stratum: "cannot recall", layouts: 12 });
    for (const { agreement: own } of [can!, cannot!]) {
      expect(own!.interval!.low).toBeLessThan(0);
      expect(own!.tau).toBeLessThan(whole.tau);
    }
  });
  it("is not told where no task is scored by accuracy, or a stratum is empty", () => {
    expect(withinStrata(pairs, null, () => createRng(1))).toEqual([]);
    const [, none] = withinStrata(pairs.slice(0, 12), accuracies.slice(0, 12), () => createRng(1));
    expect(none).toEqual({ stratum: "cannot recall", layouts: 0, agreement: null });
  });
});

it("a stratified sample is even over the strata, and within them", () => {
  const items = [
    ...Array.from({ length: 90 }, (_, i) => ({ s: 0, i })),
    ...Array.from({ length: 6 }, (_, i) => ({ s: 1, i })),
    { s: 2, i: 0 },
  ];
  const sample = stratified(items, ({ s }) => s, 9);
  expect([0, 1, 2].map((s) => sample.filter((item) => item.s === s).length)).toEqual([4, 4, 1]);
  expect(sample.filter(({ s }) => s === 0).map(({ i }) => i)).toEqual([0, 22, 45, 67]);
  expect(new Set(sample).size).toBe(9);
  expect(stratified(items, ({ s }) => s, 500)).toHaveLength(97);
});

it("the interval of a mean is Student's", () => {
  // mean 2, sd 1, n 3: 2 +- 4.303 / sqrt(3)
  const [low, high] = meanInterval([1, 2, 3])!;
  expect(low).toBeCloseTo(2 - 4.303 / Math.sqrt(3), 9);
  expect(high).toBeCloseTo(2 + 4.303 / Math.sqrt(3), 9);
  expect(meanInterval([1])).toBeNull();
});

describe("composites", () => {
  const components = compositeSchema.parse([
    { metric: "recall.accuracy", weight: 3, from: 0, to: 1 },
    { metric: "text.bitsPerByte", from: 8, to: 0 },
  ]);
  const metric = (name: string, samples: number[]) => ({ name, value: samples[0]!, samples });
  it("are weighted means of the scaled components, seed by seed", () => {
    const made = compositeMetric("quality", components, [
      metric("recall.accuracy", [1, 0]),
      metric("text.bitsPerByte", [4, 8]),
    ])!;
    expect(made).toMatchObject({
      name: "composite.quality",
      value: (3 * 1 + 0.5) / 4,
      samples: [3.5 / 4, 0],
    });
  });
  it("need every component", () => {
    expect(compositeMetric("quality", components, [metric("recall.accuracy", [1])])).toBeNull();
  });
});
