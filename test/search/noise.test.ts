// Estimates and fronts under noise, against closed forms and simulation.
import { describe, expect, it } from "vitest";
import { estimates, type Sampled } from "../../search/noise/estimate.ts";
import { frontChances, type NoisyPoint } from "../../search/noise/front-chance.ts";
import { linearPoints, noisyPoints } from "../../search/noise/points.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import { createRng, normal } from "../../search/rng.ts";
import { calibrationRows } from "../bench/conclusions/calibration.ts";

const point = (id: string, mean: number[], error: number[], degrees = 1000): NoisyPoint => ({
  id,
  mean,
  standardError: error,
  degrees: mean.map(() => degrees),
});

describe("the chance to be on the front", () => {
  it("is 0 or 1 without noise, for duplicates too", () => {
    const exact = [
      [0, 2],
      [1, 1],
      [1, 1],
      [2, 2],
    ].map((mean, n) => point(`${n}`, mean, [0, 0]));
    expect(frontChances(exact, createRng(1))).toEqual([1, 1, 1, 0]);
    expect(frontChances([], createRng(1))).toEqual([]);
  });

  it("is the same for the same state of the rng, and near certain for what is clear", () => {
    const points = [
      point("a", [0, 1], [0.01, 0.01]),
      point("b", [1, 0], [0.01, 0.01]),
      point("c", [9, 9], [0.01, 0.01]),
    ];
    const first = frontChances(points, createRng(9));
    expect(frontChances(points, createRng(9))).toEqual(first);
    expect(first[0]).toBeGreaterThan(0.95);
    expect(first[1]).toBeGreaterThan(0.95);
    expect(first[2]).toBeLessThan(0.1);
  });

  it("is doubt where layouts differ by less than their noise, however the values fell", () => {
    const rng = createRng(4);
    const alike = Array.from({ length: 16 }, (_, n) =>
      point(`${n}`, [1 + 0.1 * normal(rng), 1 + 0.1 * normal(rng)], [0.1, 0.1], 8),
    );
    for (const chance of frontChances(alike, createRng(1))) {
      expect(chance).toBeGreaterThan(0.01);
      expect(chance).toBeLessThan(0.9);
    }
  });

  it("is calibrated, and intervals hold the truth, in made-up worlds", { timeout: 240_000 }, async () => {
    // The first rows cover all worlds together. Few sweeps tell little about one world.
    for (const { name, value, limit, pass } of (await calibrationRows({ runs: 25, seed: 5 })).slice(0, 4))
      expect(pass, `${name}: ${value}, limit ${limit}`).toBe(true);
  });
});

const timed = (sessions: readonly (readonly number[])[], stable = true): Sampled => ({
  value: sessions[0]![0]!,
  samples: sessions.flat(),
  sessions: sessions.map((own) => own.length),
  stable,
});

describe("estimates", () => {
  it("of times: the geometric mean of sessions, with the spread between sessions that all layouts share", () => {
    const rng = createRng(3);
    const layouts = Array.from({ length: 40 }, (_, n) =>
      timed(Array.from({ length: n < 20 ? 2 : 1 }, () => [(n + 1) * Math.exp(0.1 * normal(rng))])),
    );
    const found = estimates(layouts, "ratio");
    expect(found[0]!.value).toBeCloseTo(Math.sqrt(layouts[0]!.samples[0]! * layouts[0]!.samples[1]!), 9);
    const [two, one] = [found[0]!, found[39]!];
    expect(one.standardError!).toBeGreaterThan(0.07);
    expect(one.standardError!).toBeLessThan(0.14);
    expect(two.standardError! / one.standardError!).toBeCloseTo(Math.SQRT1_2, 1);
    expect(Math.sqrt(one.low! * one.high!)).toBeCloseTo(one.value, 9);
    expect([two.sessions, one.sessions]).toEqual([2, 1]);
  });

  it("are unknown, not exact, where nothing was repeated; earlier sweeps of the device tell", () => {
    const once = [timed([[1, 1.01, 1.02]]), timed([[2, 2.01, 2.02]])];
    for (const one of estimates(once, "ratio"))
      expect(one).toMatchObject({ low: null, high: null, standardError: null });
    const [known] = estimates(once, "ratio", { squares: 0.04, freedom: 4 });
    expect(known!.standardError).toBeCloseTo(0.1, 9);
    expect(known!.degrees).toBe(4);
    // Earlier sweeps count for few degrees of freedom, because they ran under other conditions.
    expect(estimates(once, "ratio", { squares: 4, freedom: 400 })[0]!.degrees).toBe(8);
  });

  it("repetitions within a session do not narrow them", () => {
    const base = [timed([[1], [1.2]]), timed([[2], [1.7]])];
    const many = [
      timed([Array(30).fill(1), Array(30).fill(1.2)]),
      timed([Array(30).fill(2), Array(30).fill(1.7)]),
    ];
    expect(estimates(many, "ratio").map(({ low }) => low)).toEqual(
      estimates(base, "ratio").map(({ low }) => low),
    );
  });

  it("are wider for an unstable measurement", () => {
    const rng = createRng(8);
    const calm = Array.from({ length: 8 }, () =>
      timed([
        [1, 1.01, 0.99],
        [1.02, 1.01, 1.03],
      ]),
    );
    const wild = [1, 2].map(() => [1, 2, 3].map(() => Math.exp(0.3 * normal(rng))));
    const [marked] = estimates([timed(wild, false), ...calm], "ratio");
    const [unmarked] = estimates([timed(wild, true), ...calm], "ratio");
    expect(marked!.standardError!).toBeGreaterThan(unmarked!.standardError!);
  });

  it("of scores: seeds are the unit, and two that agree by luck are not exact", () => {
    const scores = [[0.9, 0.94], [0.5, 0.5], [0.7, 0.66], [0.8]].map((samples) => ({
      value: 0,
      samples,
      stable: true,
    }));
    const found = estimates(scores, "difference");
    const pooled = Math.sqrt((0.0008 + 0 + 0.0008) / 3);
    expect(found[1]!.standardError).toBeCloseTo(pooled / Math.SQRT2, 9);
    expect(found[3]!.standardError).toBeCloseTo(pooled, 9);
    expect(found[3]!.degrees).toBe(3);
  });

  it("layouts whose own spread is far larger keep more of it", () => {
    const rng = createRng(2);
    const scores = Array.from({ length: 30 }, (_, n) => {
      const sd = n % 5 === 0 ? 0.3 : 0.01;
      return { value: 0, samples: [1, 2, 3].map(() => 0.5 + sd * normal(rng)), stable: true };
    });
    const found = estimates(scores, "difference");
    const meanOf = (pick: (n: number) => boolean): number => {
      const errors = found.flatMap(({ standardError }, n) => (pick(n) ? [standardError!] : []));
      return errors.reduce((a, b) => a + b, 0) / errors.length;
    };
    expect(meanOf((n) => n % 5 === 0)).toBeGreaterThan(1.5 * meanOf((n) => n % 5 !== 0));
  });

  it("of counted metrics are exact, and a time of 0 has none", () => {
    expect(estimates([{ value: 3, samples: [], stable: true }], "exact")[0]).toMatchObject({
      low: 3,
      high: 3,
    });
    expect(estimates([timed([[0], [1]]), timed([[1], [1.1]])], "ratio")[0]!.low).toBeNull();
  });
});

describe("points", () => {
  const layouts = [timed([[1], [1.1]]), timed([[10], [11]])];
  const known = estimates(layouts, "ratio");
  it("stand on a logarithmic scale where noise is in proportion, and in their own unit for volumes", () => {
    const [small, large] = noisyPoints(["a", "b"], [{ direction: "min", scale: "ratio", estimates: known }]);
    expect(small!.standardError[0]).toBeCloseTo(large!.standardError[0]!, 9);
    const [a, b] = linearPoints(["a", "b"], [{ direction: "max", scale: "ratio", estimates: known }]);
    expect(b!.standardError[0]! / a!.standardError[0]!).toBeCloseTo(10, 6);
    expect(a!.mean[0]).toBeCloseTo(-Math.sqrt(1.1), 9);
  });

  it("take the spread between the layouts for an error that is unknown", () => {
    const once = estimates([timed([[1]]), timed([[2]]), timed([[4]])], "ratio");
    const [first] = noisyPoints(["a", "b", "c"], [{ direction: "min", scale: "ratio", estimates: once }]);
    expect(first!.standardError[0]).toBeCloseTo(Math.LN2, 9);
  });
});

describe("settled", () => {
  const flat = [...Array.from({ length: 20 }, (_, n) => n / 20), ...Array<number>(60).fill(1)];
  it("stops only when nothing grew and no point is in doubt", () => {
    expect(frontSettled(flat, [1, 0, 0.95]).settled).toBe(true);
    expect(frontSettled(flat, [1, 0.5]).reason).toMatch(/1 layout may/);
    expect(frontSettled(flat.slice(0, 60), [1]).reason).toMatch(/grew the hypervolume/);
    expect(frontSettled(flat.slice(0, 30), [1]).reason).toMatch(/only 30 trials/);
    expect(frontSettled(Array<number>(99).fill(0), []).settled).toBe(false);
  });
});
