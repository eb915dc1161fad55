// The predictor on a simulated machine whose cost is known: error on unseen layouts, coverage of the
// intervals, coefficients.
import { describe, expect, it } from "vitest";
import { staticCost } from "../../candidates/cost.ts";
import type { Layout } from "../../candidates/layout.ts";
import { operatorOf } from "../../candidates/ops/operator-registry.ts";
import { layoutFeatures } from "../../search/features.ts";
import { additive, fitAdditive, termsOf } from "../../search/predictor/additive.ts";
import { fitPredictor } from "../../search/predictor/predictor.ts";
import { createRng, normal } from "../../search/rng.ts";
import { spaceOf } from "./problems.ts";

const space = spaceOf({
  vocab: 4096,
  width: [256, 384, 512],
  depth: [8, 12],
  mixers: ["c3", "c7", "g", "s256"],
  heads: ["8/4x32"],
  ffn: [512, 1024, 1536],
});
const features = layoutFeatures(space);
const options = { features, context: 4096, coverage: 0.9 };

function draw(count: number, seed: number): Layout[] {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => {
    const realized = space.realize(space.sampleGenome(rng));
    if (!realized.ok) throw new Error(realized.reason);
    return realized.layout;
  });
}

/**
 * Bytes at 20 GB/s, a cost per layer, attention that misses the cache once it is large, a switch cost, and 2%
 * noise.
 */
function machine(seed: number): (layout: Layout) => number {
  const rng = createRng(seed);
  return (layout) => {
    const { weightBytes, kvBytes } = staticCost(layout, { context: 4096, quantization: "q4_0" });
    const switches = layout.layers.filter(
      (layer, n) => n > 0 && operatorOf(layer.mixer) !== operatorOf(layout.layers[n - 1]!.mixer),
    ).length;
    const misses = kvBytes > 8e6 ? 1.5 : 1;
    const ms = (weightBytes + misses * kvBytes) / 20e6 + 0.01 * layout.layers.length + 0.004 * switches;
    return ms * (1 + 0.02 * normal(rng));
  };
}

describe("additive cost", () => {
  it("recovers the coefficients of an additive machine", () => {
    const layouts = draw(60, 1);
    const truth = new Map([
      ["weights of c3", 3e-6],
      ["weights of swiglu", 1e-6],
      ["cache of gqa", 5e-6],
      ["layers", 0.02],
    ]);
    const terms = layouts.map((layout) => termsOf(layout, 4096));
    const fitted = fitAdditive(
      terms,
      terms.map((row) => additive(truth, row)),
    );
    for (const row of draw(20, 2).map((layout) => termsOf(layout, 4096))) {
      expect(Math.abs(additive(fitted, row) / additive(truth, row) - 1)).toBeLessThan(0.01);
    }
    expect([...fitted.values()].every((value) => value >= 0)).toBe(true);
  });
});

describe("predictor", () => {
  it("errs little on layouts it has not seen, less than the additive part alone, and covers as it says", () => {
    const errors: number[] = [];
    const additiveErrors: number[] = [];
    let covered = 0;
    for (const seed of [1, 2, 3, 4]) {
      const measure = machine(seed);
      const predictor = fitPredictor(
        draw(60, seed).map((layout) => ({ layout, value: measure(layout) })),
        options,
      );
      for (const layout of draw(100, 100 + seed)) {
        const value = measure(layout);
        const interval = predictor.predict(layout);
        errors.push(Math.abs(interval.value / value - 1));
        additiveErrors.push(Math.abs(additive(predictor.coefficients, termsOf(layout, 4096)) / value - 1));
        if (value >= interval.low && value <= interval.high) covered++;
      }
    }
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    console.log(
      `mean error ${(100 * mean(errors)).toFixed(2)}% (additive ${(100 * mean(additiveErrors)).toFixed(2)}%), ` +
        `coverage ${(covered / 4).toFixed(1)}% of 90%`,
    );
    expect(mean(errors)).toBeLessThan(0.04);
    expect(mean(errors)).toBeLessThan(mean(additiveErrors));
    expect(covered / 400).toBeGreaterThan(0.84);
    expect(covered / 400).toBeLessThan(0.97);
  });

  it("does not depend on the order of the measurements, and shows its held-out errors", () => {
    const measure = machine(9);
    const measured = draw(30, 9).map((layout) => ({ layout, value: measure(layout) }));
    const [forward, backward] = [
      fitPredictor(measured, options),
      fitPredictor(measured.toReversed(), options),
    ];
    const [layout] = draw(1, 77);
    expect(backward.predict(layout!)).toEqual(forward.predict(layout!));
    expect(forward.heldOut).toHaveLength(30);
    expect(
      forward.heldOut.filter(({ measured: value, low, high }) => value >= low && value <= high).length,
    ).toBeGreaterThanOrEqual(27);
    expect(forward.worstError).toBeGreaterThanOrEqual(forward.meanError);
  });

  it("says so when there are too few measurements, or impossible ones", () => {
    const layouts = draw(12, 3);
    expect(() =>
      fitPredictor(
        layouts.slice(0, 5).map((layout) => ({ layout, value: 1 })),
        options,
      ),
    ).toThrow(/needs 10/);
    expect(() =>
      fitPredictor(
        layouts.map((layout) => ({ layout, value: 0 })),
        options,
      ),
    ).toThrow(/positive/);
  });

  it("claims no interval that its sample cannot carry: 10 layouts bound nothing at 99%", () => {
    const measured = draw(10, 4).map((layout, n) => ({ layout, value: 1 + n / 100 }));
    expect(fitPredictor(measured, { ...options, coverage: 0.99 }).predict(measured[0]!.layout).high).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});
