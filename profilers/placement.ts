// On how many cores, and on which, a device runs fastest: what to try, and which to keep. Trying is runner/agent/tune.ts's business.
// Decode speed decides, as most of a conversation is decode: it often peaks below all cores, and small cores can slow the big ones down.
import type { CpuDescription } from "./probe-result.ts";
import type { MeasureResult } from "./protocol.ts";

export interface Placement {
  /** The CPUs, one thread each. */
  readonly cpus: readonly number[];
}
export interface TriedPlacement extends Placement {
  readonly decodeTokensPerSecond: number;
  readonly prefillTokensPerSecond: number;
}

/** The layout that placements are compared on: about 130 M parameters, more than the caches of a phone or a laptop hold. */
export const PLACEMENT_LAYOUT = "v8192 d1024 f4096 h16/8x64 : c3 c3 g c3 c3 g c3 g";
export const PLACEMENT_REQUEST = {
  contexts: [64],
  decodeTokens: 17,
  repetitions: 3,
  warmup: { max: 3, tolerance: 0.05 },
} as const;

const MOST = 16;

/** Thread counts worth trying in a cluster of n cores: powers of two, and all. */
function counts(n: number): number[] {
  const powers = Array.from({ length: 8 }, (_, i) => 2 ** i).filter((count) => count < n);
  return [...powers, n];
}

/**
 * Placements to try, from few cores to all: one thread per physical core, the fastest cluster first, then with each slower cluster added;
 * at last, where cores run two threads, one thread per logical CPU.
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
  // Of very many, the ends of the list matter least in the middle: keep them evenly spread, the last always.
  const step = Math.max(1, placements.length / MOST);
  const kept = placements.filter((_, i) => Math.floor((i + 1) / step) > Math.floor(i / step));
  return kept.map((chosen) => ({ cpus: chosen }));
}

/** Capacity where the kernel tells it (big.LITTLE), else the highest clock, within which cores of one kind differ by a few percent. */
const speed = ({ capacity, maxMhz }: CpuDescription): number =>
  capacity ?? Math.round((maxMhz ?? 0) / 200) * 200;

/** The rates of a placement; null where the system put the threads elsewhere than asked. */
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

/** The one to keep: the fastest decode; of those within `tolerance` of it the fastest prefill; of those the fewest threads. */
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
