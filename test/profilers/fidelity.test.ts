import { describe, expect, it } from "vitest";
import { isWeak, stratified } from "../../profilers/fidelity.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { meanInterval } from "../../profilers/statistics/summary.ts";
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
