// Simulates a study: true values of layouts, noise, and the resulting runs and pairs of the plan. The stated
// power and the rates of wrong verdicts (npm run bench:conclusions -- --only reproduce) come from this
// simulation and the real decisions.
import { isGlobalAttention, type Layout } from "../../candidates/layout.ts";
import type { Rng } from "../../candidates/space.ts";
import type { ComparedPair } from "../../profilers/compare.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import type { Sampled } from "../../search/noise/estimate.ts";
import { normal } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import { P95, TTFT } from "./decide/decide-study.ts";
import type { Endpoint } from "./decide/endpoint.ts";
import { inputFrom, type Observed } from "./observed.ts";
import { balancedOrders } from "./orders.ts";
import { coreOf, endOf, isWindowForConv, type StudyPlan, SWEEP_SEEDS } from "./study-plan.ts";

/** True values of a layout with this many attention layers. */
export interface SupposedWorld {
  /** Steps to solve the recall task; infinite if it is never solved. */
  steps(attention: number, label: string): number;
  /** Bits/byte of the text task. */
  text(attention: number, label: string): number;
  /** Time to first token and per token, divided by that of the published layout. */
  time(attention: number, label: string): number;
  /** Time of a comparison's layout divided by its base's. */
  ratio(label: string): number;
  memory(attention: number, label: string): number;
  /** Share of training runs that never solve the recall task. Default: only runs that are too slow. */
  failures?(attention: number): number;
  /**
   * Training steps of all further blocks, after which the clock ends them. Faster blocks leave time for more,
   * up to the plan's seeds. Default: all seeds of the plan.
   */
  readonly clock?: number;
}

export interface SupposedNoise {
  /** Standard deviation between seeds of the logarithm of the steps to solve a task. */
  readonly steps: number;
  /** Standard deviation between seeds of a score. */
  readonly score: number;
  /** Relative standard deviation of one run of a pair against the other. */
  readonly pair: number;
  /** Relative standard deviation of a measurement session. */
  readonly session: number;
}

/** Training steps of the recall task, steps between evaluations, and the share of right answers by chance. */
const LIMIT = 400;
const EVERY = 25;
const CHANCE = 0.125;
const SOLVED = 0.99;
/** Share of a seed's variance that is common to all layouts. */
const SHARED = 0.3;

export const supposedQualities: readonly Objective[] = [
  { name: "recall.accuracy", direction: "max", unit: "fraction" },
  { name: "text.bitsPerByte", direction: "min", unit: "bits/byte" },
];

/** Number of layers with full attention; windows do not count. */
const fullAttention = ({ layers }: Layout): number => layers.filter(isGlobalAttention).length;

interface Runs {
  readonly steps: readonly number[];
  readonly accuracy: readonly number[];
  readonly text: readonly number[];
}

/** Draws the runs of every layout; the common effect of a seed is drawn once. */
function runsOf(
  layouts: readonly Designed[],
  { seeds, blocked }: StudyPlan,
  world: SupposedWorld,
  noise: SupposedNoise,
  rng: Rng,
): ReadonlyMap<string, Runs> {
  const shared = Array.from({ length: seeds }, () => [normal(rng), normal(rng)] as const);
  const mixed = (common: number): number => Math.sqrt(SHARED) * common + Math.sqrt(1 - SHARED) * normal(rng);
  const all = new Map(
    layouts.map(({ label, layout }) => {
      const count = fullAttention(layout);
      const typical = world.steps(count, label);
      const own = shared.slice(0, blocked.includes(label) ? seeds : SWEEP_SEEDS);
      const times = own.map(([common]) =>
        rng.next() < (world.failures?.(count) ?? 0)
          ? Number.POSITIVE_INFINITY
          : typical * Math.exp(noise.steps * mixed(common)),
      );
      const runs: Runs = {
        steps: times.map((time) => Math.min(LIMIT, EVERY * Math.ceil(time / EVERY))),
        accuracy: times.map((time) =>
          time < LIMIT ? SOLVED : Math.max(CHANCE, SOLVED * (LIMIT / time) ** 2) + 0.005 * normal(rng),
        ),
        text: own.map(([, common]) => world.text(count, label) + noise.score * mixed(common)),
      };
      return [label, runs];
    }),
  );
  return world.clock === undefined ? all : untilClock(all, blocked, world.clock);
}

/** Returns the runs of the seeds whose blocks the clock lets begin: each must fit as the longest one did. */
function untilClock(
  all: ReadonlyMap<string, Runs>,
  blocked: readonly string[],
  clock: number,
): ReadonlyMap<string, Runs> {
  const inBlocks = [...all].flatMap(([label, { steps }]) => (blocked.includes(label) ? [steps] : []));
  const costs = inBlocks[0]!.map((_, seed) => inBlocks.reduce((sum, steps) => sum + steps[seed]!, 0));
  let [seeds, left, longest] = [SWEEP_SEEDS, clock, 0];
  while (seeds < costs.length && left > 0 && longest <= left) {
    const cost = costs[seeds++]!;
    longest = Math.max(longest, cost);
    left -= cost;
  }
  const kept = ({ steps, accuracy, text }: Runs): Runs => ({
    steps: steps.slice(0, seeds),
    accuracy: accuracy.slice(0, seeds),
    text: text.slice(0, seeds),
  });
  return new Map([...all].map(([label, runs]) => [label, kept(runs)]));
}

function pairsOf(ratio: number, plan: StudyPlan, sd: number, rng: Rng): readonly ComparedPair[] {
  // The clock ends a comparison within its sequence of orders.
  const orders = balancedOrders(endOf(plan).pairs, rng).slice(0, plan.pairs);
  return orders.map((first) => {
    // Both sides have noise, as on a device: pairs are excluded by their mean, which must not tell the difference.
    const run = (time: number): ComparedPair["a"] => {
      const noisy = (): number => time * Math.exp((sd / Math.SQRT2) * normal(rng));
      return { [TTFT]: noisy(), [P95]: noisy() };
    };
    return { first, a: run(1), b: run(ratio) };
  });
}

const MEMORY = "peakBytes:local";
const TIMES = ["ttftMs@4096:local", "decodeP95Ms@4096:local"];

/** Sessions of a measurement. */
const SESSIONS = 2;

const sampled = (samples: readonly number[]): Sampled => ({
  value: samples.reduce((sum, one) => sum + one, 0) / samples.length,
  samples,
  sessions: samples.map(() => 1),
  stable: true,
});

/**
 * Returns the endpoints of the runs. `by`: recall is judged by its steps or, if training does not stop early,
 * by its score.
 */
function endpointsOf(runs: ReadonlyMap<string, Runs>, by: Endpoint["kind"]): readonly Endpoint[] {
  const losses = (of: (one: Runs) => readonly number[]) =>
    new Map([...runs].map(([label, one]) => [label, of(one)]));
  return [
    {
      ...{ task: "recall", kind: by, recalls: true },
      losses: losses(({ steps, accuracy }) =>
        by === "steps" ? steps.map(Math.log) : accuracy.map((share) => -share),
      ),
      worst: by === "steps" ? Math.log(LIMIT) : null,
    },
    {
      ...{ task: "text", kind: "score", recalls: false, worst: null },
      losses: losses(({ text }) => text),
    },
  ];
}

/** Returns the simulated input of the plan's decisions. */
export function supposedInput(
  world: SupposedWorld,
  noise: SupposedNoise,
  plan: StudyPlan,
  design: readonly Designed[],
  rng: Rng,
  by: Endpoint["kind"] = "steps",
) {
  const core = new Set(coreOf(design).map(({ label }) => label));
  const layouts = design.filter(({ label }) => core.has(label) || plan.blocked.includes(label));
  const runs = runsOf(layouts, plan, world, noise, rng);
  const compared = plan.comparisons.map(({ label }) => ({
    label,
    pairs: pairsOf(world.ratio(label), plan, noise.pair, rng),
  }));
  const of = ({ label, layout }: Designed, what: "time" | "memory"): number =>
    world[what](fullAttention(layout), label);
  const observed: Observed = {
    endpoints: endpointsOf(runs, by),
    placements: compared.filter(({ label }) => !isWindowForConv(label)),
    window: compared.find(({ label }) => isWindowForConv(label)) ?? { label: "", pairs: [] },
    layouts,
    metrics: [
      ...TIMES.map((name) => ({
        name,
        scale: "ratio" as const,
        samples: layouts.map((one) =>
          sampled(
            Array.from({ length: SESSIONS }, () => of(one, "time") * Math.exp(noise.session * normal(rng))),
          ),
        ),
      })),
      { name: MEMORY, scale: "exact", samples: layouts.map((one) => sampled([of(one, "memory")])) },
      ...supposedQualities.map(({ name }, n) => ({
        name,
        scale: "difference" as const,
        samples: layouts.map(({ label }) =>
          sampled(n === 0 ? runs.get(label)!.accuracy : runs.get(label)!.text),
        ),
      })),
    ],
    qualities: supposedQualities,
    objectives: [TIMES[1]!, MEMORY],
    budgets: [...TIMES, MEMORY],
  };
  return inputFrom(observed);
}

/** Default true values of the published layout and its rivals. */
export const usual = {
  text: (attention: number): number => (attention === 16 ? 4 : 3.6),
  time: (attention: number): number => 1 + 0.08 * (attention - 6),
  memory: (attention: number, label: string): number =>
    (1 + 0.08 * (attention - 6)) * (isWindowForConv(label) ? 1.13 : 1),
  ratio: (_label: string): number => 1,
};
