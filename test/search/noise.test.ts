// Fronts under noise, against closed forms and simulation.
import { describe, expect, it } from "vitest";
import { normalCdf } from "../../search/model/improvement.ts";
import { frontProbabilities, type NoisyPoint, whatToRepeat } from "../../search/noise/front-probability.ts";
import { frontSettled } from "../../search/noise/settled.ts";
import { createRng } from "../../search/rng.ts";

const point = (id: string, mean: number[], error: number[], repetitions = 3): NoisyPoint => ({
  id,
  mean,
  standardError: error,
  repetitions,
});

describe("probability of being on the front", () => {
  it("is 0 or 1 without noise, for duplicates too", () => {
    const exact = [
      [0, 2],
      [1, 1],
      [1, 1],
      [2, 2],
    ].map((mean, n) => point(`${n}`, mean, [0, 0]));
    expect(frontProbabilities(exact, createRng(1))).toEqual([1, 1, 1, 0]);
  });

  it("is the closed form for two points that differ in one noisy objective", () => {
    // b is dominated when a's draw is below b's: P = Phi(0.5 / sqrt(2 * 0.3^2)).
    const points = [point("a", [0, 0], [0.3, 0]), point("b", [0.5, 0], [0.3, 0])];
    const [a, b] = frontProbabilities(points, createRng(3), 20_000);
    const aWins = normalCdf(0.5 / Math.hypot(0.3, 0.3));
    expect(a!).toBeCloseTo(aWins, 1.7);
    expect(Math.abs(a! - aWins)).toBeLessThan(0.01);
    expect(Math.abs(b! - (1 - aWins))).toBeLessThan(0.01);
  });

  it("is the same for the same state of the rng, and certain for points far behind", () => {
    const points = [
      point("a", [0, 1], [0.1, 0.1]),
      point("b", [0.1, 1], [0.1, 0.1]),
      point("c", [9, 9], [0.1, 0.1]),
    ];
    const first = frontProbabilities(points, createRng(9));
    expect(frontProbabilities(points, createRng(9))).toEqual(first);
    expect(first[2]).toBe(0);
  });

  it("asks to repeat the doubtful, the less measured first, and never what is exact or certain", () => {
    const points = [
      point("sure", [0, 0], [0.01, 0.01]),
      point("far", [5, 5], [0.01, 0.01]),
      point("often", [-0.5, 0.01], [0.2, 0.01], 20),
      point("seldom", [-0.5, 0.01], [0.2, 0.01], 2),
      point("exact", [-0.5, 0.01], [0, 0], 2),
    ];
    const probabilities = [1, 0, 0.5, 0.5, 0.5];
    expect(whatToRepeat(points, probabilities).map(({ id }) => id)).toEqual(["seldom", "often"]);
  });

  it("repeating what it names settles a noisy front sooner than repeating at random", () => {
    // 30 points, true values known; each measurement has noise 0.1. Error: sum over points of |P - truly on the front|.
    const error = (named: boolean): number => {
      const rng = createRng(17);
      const truth = Array.from({ length: 30 }, () => [rng.next(), rng.next()]);
      const samples = truth.map((value) => [0, 1].map(() => value.map((v) => v + 0.1 * gauss(rng))));
      const noisy = (): NoisyPoint[] =>
        samples.map((taken, n) => ({
          id: String(n),
          mean: [0, 1].map((m) => taken.reduce((sum, value) => sum + value[m]!, 0) / taken.length),
          standardError: [0.1, 0.1].map((sigma) => sigma / Math.sqrt(taken.length)),
          repetitions: taken.length,
        }));
      for (let n = 0; n < 100; n++) {
        const points = noisy();
        const best = whatToRepeat(points, frontProbabilities(points, rng, 200))[0];
        const index = named && best !== undefined ? Number(best.id) : rng.below(30);
        samples[index]!.push(truth[index]!.map((v) => v + 0.1 * gauss(rng)));
      }
      const exact = truth.map((mean, n) => point(`${n}`, mean, [0, 0]));
      const onFront = frontProbabilities(exact, rng, 1);
      return frontProbabilities(noisy(), rng).reduce((sum, p, n) => sum + Math.abs(p - onFront[n]!), 0);
    };
    const [named, random] = [error(true), error(false)];
    console.log(
      `doubt left after 100 repetitions: named ${named.toFixed(2)}, at random ${random.toFixed(2)}`,
    );
    expect(named).toBeLessThan(random);
  });
});

/** Independent of the library's own normal draws. */
const gauss = (rng: { next(): number }): number => {
  let sum = 0;
  for (let n = 0; n < 12; n++) sum += rng.next();
  return sum - 6;
};

describe("settled", () => {
  const flat = [...Array.from({ length: 20 }, (_, n) => n / 20), ...Array<number>(60).fill(1)];
  it("stops only when nothing grew and no point is in doubt", () => {
    expect(frontSettled(flat, [1, 0, 0.95]).settled).toBe(true);
    expect(frontSettled(flat, [1, 0.5]).reason).toMatch(/1 points/);
    expect(frontSettled(flat.slice(0, 60), [1]).reason).toMatch(/grew the hypervolume/);
    expect(frontSettled(flat.slice(0, 30), [1]).reason).toMatch(/only 30 trials/);
    expect(frontSettled(Array<number>(99).fill(0), []).settled).toBe(false);
  });
});
