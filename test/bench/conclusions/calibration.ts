// Counts how often a layout with a stated chance is truly on the front, and how often stated intervals
// contain the truth.
import { pairsApart } from "../../../search/noise/apart.ts";
import { type Estimate, estimates, type Scale } from "../../../search/noise/estimate.ts";
import { frontChances } from "../../../search/noise/front-chance.ts";
import { noisyPoints } from "../../../search/noise/points.ts";
import { nonDominated, nonDominatedSort } from "../../../search/pareto.ts";
import { createRng } from "../../../search/rng.ts";
import { type ConclusionRow, type ConclusionRuns, shareRow } from "./row.ts";
import { auditedNoise, once, type SampledLayout, sample, worlds } from "./worlds.ts";

/**
 * Layouts of a simulated sweep, and the number of those measured and trained twice, as a sweep does by
 * default.
 */
const LAYOUTS = 20;
const REPEATED = 8;

interface Tally {
  readonly told: { high: number; highTrue: number; low: number; lowTrue: number };
  readonly held: Record<"tokenMs" | "accuracy", { of: number; holds: number }>;
}

const holds = ({ low, high }: Estimate, truth: number): boolean => low! <= truth && truth <= high!;

/**
 * Samples as a sweep repeats: the layouts that look best after one session and seed are sampled twice, the
 * others once.
 */
function repeatedFirst(twice: readonly SampledLayout[]): readonly SampledLayout[] {
  const first = twice.map(once);
  const order = nonDominatedSort(
    first.map(({ tokenMs, accuracy }) => [tokenMs.value, -accuracy.value]),
  ).flat();
  const repeated = new Set(order.slice(0, REPEATED));
  return twice.map((layout, n) => (repeated.has(n) ? layout : first[n]!));
}

function simulate(world: string, sweeps: number, seed: number): Tally {
  const rng = createRng(seed);
  const told = { high: 0, highTrue: 0, low: 0, lowTrue: 0 };
  const held = { tokenMs: { of: 0, holds: 0 }, accuracy: { of: 0, holds: 0 } };
  for (let n = 0; n < sweeps; n++) {
    const layouts = Array.from({ length: LAYOUTS }, () => worlds[world]!(rng));
    const sampled = repeatedFirst(layouts.map((layout) => sample(layout, 2, auditedNoise, rng)));
    const known = {
      tokenMs: estimates(
        sampled.map((one) => one.tokenMs),
        "ratio",
      ),
      accuracy: estimates(
        sampled.map((one) => one.accuracy),
        "difference",
      ),
    };
    for (const name of ["tokenMs", "accuracy"] as const)
      for (const [i, estimate] of known[name].entries()) {
        held[name].of++;
        if (holds(estimate, layouts[i]![name])) held[name].holds++;
      }
    const chances = frontChances(
      noisyPoints(
        layouts.map((_, i) => `${i}`),
        [
          { direction: "min", scale: "ratio", estimates: known.tokenMs },
          { direction: "max", scale: "difference", estimates: known.accuracy },
        ],
      ),
      createRng(n),
    );
    const front = new Set(nonDominated(layouts.map(({ tokenMs, accuracy }) => [tokenMs, -accuracy])));
    for (const [i, chance] of chances.entries()) {
      if (chance > 0.9) {
        told.high++;
        if (front.has(i)) told.highTrue++;
      }
      if (chance < 0.1) {
        told.low++;
        if (front.has(i)) told.lowTrue++;
      }
    }
  }
  return { told, held };
}

/** Number of sweeps of identical layouts in which some pair certainly differs: by times, by scores. */
function falselyApart(sweeps: number, seed: number): { readonly times: number; readonly scores: number } {
  const rng = createRng(seed);
  let [times, scores] = [0, 0];
  for (let n = 0; n < sweeps; n++) {
    const same = { tokenMs: 1, accuracy: 0.8 };
    const sampled = repeatedFirst(Array.from({ length: LAYOUTS }, () => sample(same, 2, auditedNoise, rng)));
    const known = (name: "tokenMs" | "accuracy", scale: Scale) =>
      pairsApart(
        estimates(
          sampled.map((one) => one[name]),
          scale,
        ),
        scale,
      );
    if (known("tokenMs", "ratio").told.length > 0) times++;
    if (known("accuracy", "difference").told.length > 0) scores++;
  }
  return { times, scores };
}

/**
 * Limits for a single world, wider than those for all worlds together. Layouts that all trade speed for
 * quality are on the front more often than others.
 */
const WORLD = { high: 0.8, low: 0.14 };
/** With fewer such layouts, a single world is not judged. */
const ENOUGH = 30;

export async function calibrationRows({ runs, seed }: ConclusionRuns): Promise<readonly ConclusionRow[]> {
  const apart = falselyApart(4 * runs, seed);
  const tallies = Object.keys(worlds).map((world) => ({ world, ...simulate(world, runs, seed) }));
  const sum = (of: (tally: Tally) => number): number =>
    tallies.reduce((total, tally) => total + of(tally), 0);
  const row = (what: string, hits: number, of: number, limit: string): ConclusionRow =>
    shareRow(`calibration: ${what}`, hits, of, limit);
  const times = (tally: Tally) => tally.held.tokenMs;
  const scores = (tally: Tally) => tally.held.accuracy;
  return [
    row(
      "told > 90%, truly on the front",
      sum(({ told }) => told.highTrue),
      sum(({ told }) => told.high),
      ">= 0.88",
    ),
    row(
      "told < 10%, truly on the front",
      sum(({ told }) => told.lowTrue),
      sum(({ told }) => told.low),
      "<= 0.08",
    ),
    row(
      "95% intervals of times hold",
      sum((t) => times(t).holds),
      sum((t) => times(t).of),
      "0.93 to 0.97",
    ),
    row(
      "95% intervals of scores hold",
      sum((t) => scores(t).holds),
      sum((t) => scores(t).of),
      "0.93 to 0.97",
    ),
    row("a pair is told apart by time though all layouts are alike", apart.times, 4 * runs, "<= 0.05"),
    row("a pair is told apart by score though all layouts are alike", apart.scores, 4 * runs, "<= 0.05"),
    ...tallies.flatMap(({ world, told }) => [
      ...(told.high < ENOUGH
        ? []
        : [row(`told > 90% (${world})`, told.highTrue, told.high, `>= ${WORLD.high}`)]),
      ...(told.low < ENOUGH ? [] : [row(`told < 10% (${world})`, told.lowTrue, told.low, `<= ${WORLD.low}`)]),
    ]),
  ];
}
