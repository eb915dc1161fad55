// The value of a proxy's choice, on points small enough to compute manually, and the rate of false statements
// that "measuring bought something".
import { describe, expect, it } from "vitest";
import { chosenBy, proxyScores, unexplained } from "../../search/proxy-choice.ts";
import { createRng } from "../../search/rng.ts";
import { measuringRows } from "../bench/conclusions/measuring.ts";

/** Rows of quality, and time as the chooser, the judge and the proxy see it. */
const made = (rows: readonly (readonly [number, number, number, number])[]) => ({
  points: rows.map(([loss, chooser, judge]) => ({ chooser: [loss, chooser], judge: [loss, judge] })),
  constant: rows.map(([loss]) => [loss, 0]),
  proxied: rows.map(([loss, , , proxy]) => [loss, proxy]),
});

describe("a proxy's score", () => {
  const rows = [
    [1, 9, 9, 90],
    [2, 4, 4, 40],
    [3, 5, 5, 50],
    [3, 1, 1, 10],
    [4, 8, 8, 80],
  ] as const;

  it("is 1 where the proxy orders as measuring does, and exactly 0 where it says nothing", () => {
    const { points, constant, proxied } = made(rows);
    const scores = proxyScores(points, constant, [proxied, constant], createRng(1));
    expect(scores.count).toBe(3);
    expect(scores.proxies.map(({ score }) => score)).toEqual([1, 0]);
    expect(scores.permuted!.mean).toBeLessThan(1);
  });

  it("is of sets of one size: a proxy that ties everything chooses no more than the measured front has", () => {
    const { points, constant } = made(rows);
    const { measured, proxies } = proxyScores(points, constant, [constant], createRng(1));
    expect(proxies[0]!.chosen).toHaveLength(measured.length);
  });

  it("does not hang on one disturbed layout: the reference is the judged front's", () => {
    const plain = made(rows);
    const disturbed = made([...rows, [5, 1000, 1000, 60]]);
    const score = ({ points, constant, proxied }: ReturnType<typeof made>): number | null =>
      proxyScores(points, constant, [proxied.toReversed()], createRng(1)).proxies[0]!.score;
    expect(score(made(rows))).not.toBeNull();
    const worse = (world: ReturnType<typeof made>): number | null =>
      proxyScores(world.points, world.constant, [world.constant], createRng(1)).proxies[0]!.score;
    expect([worse(plain), worse(disturbed)]).toEqual([0, 0]);
  });

  it("is left out where measuring is no better than saying nothing", () => {
    const { points, constant, proxied } = made(
      rows.map(([loss, , judge, proxy]) => [loss, loss, judge, proxy]),
    );
    expect(proxyScores(points, constant, [proxied], createRng(1)).proxies[0]!.score).toBeNull();
  });
});

it("whole fronts are chosen first, the last one by what each adds", () => {
  const vectors = [
    [0, 10],
    [10, 0],
    [5, 5],
    [5.1, 5.1],
    [11, 11],
  ];
  expect(chosenBy(vectors, 3)).toEqual([0, 1, 2]);
  expect(chosenBy(vectors, 4)).toEqual([0, 1, 2, 3]);
  expect(chosenBy(vectors, 1)).toHaveLength(1);
  expect(chosenBy(vectors, 9)).toHaveLength(5);
});

describe("agreement beyond a proxy", () => {
  it("is told of too few layouts not at all", () => {
    expect(unexplained([1, 2, 3], [1, 2, 3], [0, 0, 0])).toBeNull();
  });

  it("is seldom found where there is none, and found where there is much", { timeout: 120_000 }, async () => {
    for (const { name, value, limit, pass } of await measuringRows({ runs: 1000, seed: 3 }))
      expect(pass, `${name}: ${value}, limit ${limit}`).toBe(true);
  });
});
