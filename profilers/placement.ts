// Chooses the number of cores, and the cores, on which a device runs fastest: the placements to try, and the
// one to keep. runner/agent/tune.ts tries them. Decode speed decides, because most of a conversation is
// decode. It often peaks below all cores, and small cores can slow down the big ones.
import type { CpuDescription } from "./probe-result.ts";
import type { MeasureResult } from "./protocol.ts";

export interface Placement {
  /** CPUs, one thread each. */
  readonly cpus: readonly number[];
}
export interface TriedPlacement extends Placement {
  readonly decodeTokensPerSecond: number;
  readonly prefillTokensPerSecond: number;
}

/**
 * The layout on which placements are compared. It has about 130 M parameters, more than the caches of a phone
 * or a laptop hold.
 */
export const PLACEMENT_LAYOUT = "v8192 d1024 f4096 h16/8x64 : c3 c3 g c3 c3 g c3 g";
export const PLACEMENT_REQUEST = {
  contexts: [64],
  decodeTokens: 17,
  repetitions: 3,
  warmup: { max: 3, tolerance: 0.05 },
} as const;

const MOST = 16;

/** Thread counts to try in a cluster of n cores: powers of two, and n. */
function counts(n: number): number[] {
  const powers = Array.from({ length: 8 }, (_, i) => 2 ** i).filter((count) => count < n);
  return [...powers, n];
}

/**
 * Returns placements to try, from few cores to all. One thread runs per physical core, first on the fastest
 * cluster, then with each slower cluster added. Last comes one thread per logical CPU, where cores run two
 * threads.
 */
export function candidatePlacements(cpus: readonly CpuDescription[]): readonly Placement[] {
  const cores = cpus
    .filter((cpu, i) => cpus.findIndex(({ core }) => core === cpu.core) === i)
    .toSorted((a, b) => speed(b) - speed(a) || a.cpu - b.cpu);
  const clusters = new Map<number, number[]>();
  for (const core of cores) clusters.set(speed(core), [...(clusters.get(speed(core)) ?? []), core.cpu]);
  const placements: number[][] = [];
  let before: number[] = [];
  for (const cluster of clusters.values()) {
    for (const count of counts(cluster.length)) placements.push([...before, ...cluster.slice(0, count)]);
    before = [...before, ...cluster];
  }
  if (cpus.length > cores.length)
    placements.push([...before, ...cpus.map(({ cpu }) => cpu).filter((cpu) => !before.includes(cpu))]);
  // A long list is thinned evenly. The last placement is always kept.
  const step = Math.max(1, placements.length / MOST);
  const kept = placements.filter((_, i) => Math.floor((i + 1) / step) > Math.floor(i / step));
  return kept.map((chosen) => ({ cpus: chosen }));
}

/**
 * Capacity where the kernel reports it (big.LITTLE), else the highest clock. The clock is rounded, because
 * cores of one kind differ by a few percent.
 */
const speed = ({ capacity, maxMhz }: CpuDescription): number =>
  capacity ?? Math.round((maxMhz ?? 0) / 200) * 200;

/** Returns the rates of a placement; null where the system put the threads on other cores than requested. */
export function readPlacement({ cpus }: Placement, result: MeasureResult): TriedPlacement | null {
  const asked = cpus.toSorted((a, b) => a - b).join();
  const got = result.affinity.toSorted((a, b) => a - b).join();
  const [measured] = result.contexts;
  if (asked !== got || measured === undefined) return null;
  const best = (times: readonly number[]): number => Math.min(...times);
  const decodeMs = best(measured.decodeMs.map((tokens) => tokens.reduce((sum, ms) => sum + ms, 0)));
  return {
    cpus,
    decodeTokensPerSecond: ((measured.decodeMs[0]?.length ?? 0) * 1000) / decodeMs,
    prefillTokensPerSecond: (measured.context * 1000) / best(measured.prefillMs),
  };
}

/**
 * Returns the placement to keep: the fastest decode; of those within `tolerance`, the fastest prefill; of
 * those, the fewest threads.
 */
export function bestPlacement(tried: readonly TriedPlacement[], tolerance: number): TriedPlacement | null {
  const near = (
    list: readonly TriedPlacement[],
    rate: (placement: TriedPlacement) => number,
  ): TriedPlacement[] => {
    const best = Math.max(...list.map(rate));
    return list.filter((placement) => rate(placement) >= best * (1 - tolerance));
  };
  const fast = near(
    near(tried, ({ decodeTokensPerSecond }) => decodeTokensPerSecond),
    ({ prefillTokensPerSecond }) => prefillTokensPerSecond,
  );
  return fast.toSorted((a, b) => a.cpus.length - b.cpus.length)[0] ?? null;
}
