// What a proxy's choice loses, on points small enough to work out by hand.
import { describe, expect, it } from "vitest";
import { proxyChoice } from "../../search/proxy-choice.ts";

const points = (rows: readonly (readonly [number, number, number])[]) =>
  rows.map(([loss, ms, proxy]) => ({ measured: [loss, ms], proxied: [loss, proxy] }));

describe("proxyChoice", () => {
  it("loses nothing where the proxy orders as measuring does", () => {
    const choice = proxyChoice(
      points([
        [1, 9, 90],
        [2, 4, 40],
        [3, 1, 10],
        [3, 5, 50],
      ]),
    );
    expect(choice).toMatchObject({ chosen: [0, 1, 2], hypervolumeShare: 1, missed: 0, front: 3 });
    expect(choice.regret[1]).toEqual({ mean: 0, worst: 0, unmatched: 0 });
  });

  it("counts what a proxy leaves out, and by how much its best is slower", () => {
    // The proxy takes the second for slower than the first, which is as good: it is left out.
    const choice = proxyChoice(
      points([
        [1, 9, 10],
        [2, 4, 20],
        [3, 1, 5],
      ]),
    );
    expect(choice.chosen).toEqual([0, 2]);
    expect(choice.missed).toBe(1);
    // Front points (1, 9), (2, 4), (3, 1); for (2, 4) the best chosen with loss <= 2 takes 9 ms: (9 - 4) / 4.
    expect(choice.regret[1]!.worst).toBeCloseTo(1.25, 12);
    expect(choice.regret[1]!.mean).toBeCloseTo(1.25 / 3, 12);
    // Reference (3.2, 9.8): front 2.2 x 0.8 + 1.2 x 5 + 0.2 x 3, chosen without the middle.
    const whole = 2.2 * 0.8 + 1.2 * 5 + 0.2 * 3;
    expect(choice.hypervolumeShare).toBeCloseTo((2.2 * 0.8 + 0.2 * 8) / whole, 12);
  });

  it("a proxy that sees no difference keeps only the best of what it does not stand for", () => {
    const choice = proxyChoice(
      points([
        [1, 9, 7],
        [2, 4, 7],
        [3, 1, 7],
      ]),
    );
    expect(choice.chosen).toEqual([0]);
    expect(choice.missed).toBe(2);
  });
});
