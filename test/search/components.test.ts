// Variance components by simulation with known truth, and the advice that follows from them.
import { describe, expect, it } from "vitest";
import { componentsOf, sessionsFor } from "../../search/noise/components.ts";
import type { Sampled } from "../../search/noise/estimate.ts";
import { createRng, normal } from "../../search/rng.ts";

/** Layouts with `sessions` sessions of 3 repetitions each. */
function layouts(count: number, sessions: number, session: number, repetition: number): readonly Sampled[] {
  const rng = createRng(11);
  return Array.from({ length: count }, (_, n) => {
    const samples = Array.from({ length: sessions }, () => {
      const effect = session * normal(rng);
      return [0, 1, 2].map(() => (n + 1) * Math.exp(effect + repetition * normal(rng)));
    });
    return { value: n + 1, samples: samples.flat(), sessions: samples.map(() => 3), stable: true };
  });
}

describe("variance components", () => {
  it.each([
    [0.1, 0.04],
    [0.02, 0.08],
    [0, 0.05],
  ])("tell sessions that differ by %f from repetitions that differ by %f", (session, repetition) => {
    const found = componentsOf(layouts(400, 2, session, repetition), "ratio")!;
    expect(Math.sqrt(found.repetition!.variance)).toBeCloseTo(repetition, 2);
    expect(Math.abs(Math.sqrt(found.session.variance) - session)).toBeLessThan(0.02);
    expect([found.layouts, found.session.degrees]).toEqual([400, 400]);
  });

  it("ask for sessions where sessions differ, whatever the repetitions", () => {
    const found = componentsOf(layouts(400, 2, 0.1, 0.02), "ratio")!;
    expect(sessionsFor(0.0255, found, 3)).toBeGreaterThan(12);
    expect(sessionsFor(0.0255, found, 300)).toBeGreaterThan(12);
    const calm = componentsOf(layouts(400, 2, 0, 0.02), "ratio")!;
    expect(sessionsFor(0.0255, calm, 3)).toBe(1);
  });

  it("are unknown where no layout has two sessions", () => {
    expect(componentsOf(layouts(4, 1, 0.1, 0.02), "ratio")).toBeNull();
  });
});
