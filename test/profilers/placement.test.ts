// Placements of threads that are tried on processors of several kinds, and the one that is kept.
import { describe, expect, it } from "vitest";
import { bestPlacement, candidatePlacements, readPlacement } from "../../profilers/placement.ts";
import type { CpuDescription } from "../../profilers/probe-result.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";

const cpu = (number: number, changes: Partial<CpuDescription> = {}): CpuDescription => ({
  cpu: number,
  core: number,
  capacity: null,
  maxMhz: null,
  ...changes,
});
const lists = (cpus: readonly CpuDescription[]) =>
  candidatePlacements(cpus).map((placement) => placement.cpus.join());

describe("placements to try", () => {
  it("add clusters from the fastest down on a phone (1 + 3 + 2 + 2)", () => {
    const capacities = [325, 325, 870, 870, 870, 950, 950, 1024];
    const phone = capacities.map((capacity, i) => cpu(i, { capacity }));
    expect(lists(phone)).toEqual([
      "7",
      "7,5",
      "7,5,6",
      "7,5,6,2",
      "7,5,6,2,3",
      "7,5,6,2,3,4",
      "7,5,6,2,3,4,0",
      "7,5,6,2,3,4,0,1",
    ]);
  });

  it("take one thread a core on a laptop of two kinds of cores, and at last every thread", () => {
    // Threads of one core are numbered n and n + 12.
    const laptop = Array.from({ length: 24 }, (_, i) => {
      const core = i % 12;
      return cpu(i, { core, maxMhz: core < 4 ? 5157 - core * 10 : 3300 });
    });
    const found = candidatePlacements(laptop);
    expect(found.map(({ cpus }) => cpus.length)).toEqual([1, 2, 4, 5, 6, 8, 12, 24]);
    for (const { cpus } of found.slice(0, -1)) expect(Math.max(...cpus)).toBeLessThan(12);
    expect(found[2]!.cpus).toEqual([0, 1, 2, 3]);
  });

  it("are powers of two and all where every core is alike, and never very many", () => {
    expect(lists([0, 1].map((n) => cpu(n)))).toEqual(["0", "0,1"]);
    expect(lists([cpu(3)])).toEqual(["3"]);
    expect(lists([])).toEqual([]);
    const many = candidatePlacements(
      Array.from({ length: 512 }, (_, i) => cpu(i, { core: i - (i % 2), maxMhz: 2000 + 100 * (i % 40) })),
    );
    expect(many.length).toBeLessThanOrEqual(16);
    expect(many.at(-1)!.cpus).toHaveLength(512);
  });
});

describe("the placement that is kept", () => {
  const tried = (decode: number, prefill: number, count: number) => ({
    cpus: Array.from({ length: count }, (_, i) => i),
    decodeTokensPerSecond: decode,
    prefillTokensPerSecond: prefill,
  });
  it("decodes fastest, whatever its prefill", () => {
    expect(bestPlacement([tried(20, 100, 4), tried(14, 180, 8)], 0.03)?.cpus).toHaveLength(4);
  });
  it("of those alike in decode has the fastest prefill, of those the fewest threads", () => {
    expect(
      bestPlacement([tried(20, 50, 2), tried(19.8, 100, 4), tried(19.9, 101, 6)], 0.03)?.cpus,
    ).toHaveLength(4);
  });
  it("is none where nothing ran", () => expect(bestPlacement([], 0.03)).toBeNull());

  it("counts only where the threads ran where they were asked to", () => {
    const result = {
      affinity: [1, 0],
      contexts: [
        {
          context: 64,
          prefillMs: [10, 8],
          decodeMs: [
            [5, 5, 10],
            [4, 4, 8],
          ],
        },
      ],
    } as unknown as MeasureResult;
    expect(readPlacement({ cpus: [0, 1] }, result)).toEqual({
      cpus: [0, 1],
      decodeTokensPerSecond: 3000 / 16,
      prefillTokensPerSecond: 8000,
    });
    expect(readPlacement({ cpus: [0, 2] }, result)).toBeNull();
    expect(readPlacement({ cpus: [0, 1, 2] }, result)).toBeNull();
  });
});
