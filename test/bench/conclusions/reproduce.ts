// Counts how often the minimal-hybrid study says "agrees" where the published claim is false, and where it is
// true: the real decisions on simulated studies of 20 and 60 minutes, and of 20 minutes on a fast machine,
// where the clock ends seeds and pairs. The noise is that of the shared machine on which the quickstart was
// audited: sessions 10%, repetitions 4%.
import { readFileSync } from "node:fs";
import { Space } from "../../../candidates/space.ts";
import { parseSweepConfig } from "../../../runner/config/config.ts";
import { decideStudy, type StudyDecisions } from "../../../runner/reproduction/decide/decide-study.ts";
import type { Decision } from "../../../runner/reproduction/decide/verdict.ts";
import { planStudy, type StudyPlan } from "../../../runner/reproduction/study-plan.ts";
import {
  type SupposedNoise,
  type SupposedWorld,
  supposedInput,
  usual,
} from "../../../runner/reproduction/supposed.ts";
import { type Designed, minimalHybridDesign } from "../../../search/designs/minimal-hybrid.ts";
import { createRng } from "../../../search/rng.ts";
import { type ConclusionRow, type ConclusionRuns, levelRow, shareRow } from "./row.ts";
import { auditedNoise } from "./worlds.ts";

const { within, session } = auditedNoise;

/**
 * `shared`: both sides of a pair have the session's noise. `apart`: each side has its own, the worst case of
 * interleaving.
 */
const pairNoise = {
  shared: Math.SQRT2 * within,
  apart: Math.SQRT2 * Math.hypot(within, session),
} as const;

const noise = (pair: keyof typeof pairNoise): SupposedNoise => ({
  ...{ steps: 0.2, score: 0.05, session },
  pair: pairNoise[pair],
});

type Question = "published" | "rule-recall" | "counts" | "placement" | "local";

interface Case {
  readonly name: string;
  readonly world: Partial<SupposedWorld>;
  readonly noise: SupposedNoise;
  /**
   * Judges recall by its score instead of by the steps to solve it, for training that does not stop at an
   * accuracy.
   */
  readonly byScore?: boolean;
  /** True answer to each question in this world. Questions without a true answer here are absent. */
  readonly truth: Partial<Record<Question, boolean>>;
  /** A world at a margin, where an exact test is wrong in 5%: more studies, and judged by their interval. */
  readonly atLevel?: boolean;
  /** Claims so clearly false that 60 minutes must contradict them. */
  readonly clear?: readonly Question[];
}

const never = Number.POSITIVE_INFINITY;
const from =
  (least: number, enough = 180, below = never) =>
  (attention: number): number =>
    attention >= least ? enough : below;

/** Recall is learned sooner with more attention, up to six layers. */
const asPublished = (attention: number): number =>
  attention === 0 ? never : attention === 1 ? 700 : attention < 6 ? 440 - 35 * attention : 180;
const alike = { text: () => 3.6, time: () => 1, memory: () => 1, ratio: () => 1 };
const windowOnly = (text: number) => ({
  text: (_: number, label: string): number => (label.includes("with s") ? text : 3.6),
});
const slowWindow = (label: string): number => (label.includes("with s") ? 1.15 : 1);

const cases: readonly Case[] = [
  {
    name: "published claim is true",
    world: { steps: asPublished },
    noise: noise("apart"),
    truth: { counts: true, "rule-recall": true, published: true, placement: false },
  },
  {
    name: "nothing matters beyond one layer",
    world: { steps: from(1) },
    noise: noise("shared"),
    truth: { counts: false, "rule-recall": false, published: false, placement: false, local: false },
    clear: ["counts", "rule-recall", "published"],
  },
  {
    name: "one layer is 25% slower to learn: the margin itself",
    world: { steps: (attention) => (attention === 0 ? never : attention === 1 ? 225 : 180) },
    noise: noise("shared"),
    truth: { counts: false },
  },
  {
    name: "recall needs 8 layers",
    world: { steps: from(8) },
    noise: noise("shared"),
    truth: { counts: false, "rule-recall": false, published: false },
    clear: ["counts"],
  },
  {
    name: "eight layers learn 25% sooner: the margin itself",
    world: {
      steps: (attention) => (attention < 2 ? never : attention < 8 ? 225 : 180),
    },
    noise: noise("shared"),
    truth: { counts: false },
  },
  {
    name: "six layers fail with a third of the seeds",
    world: { steps: from(2), failures: (attention) => (attention < 8 ? 0.33 : 0) },
    noise: noise("shared"),
    truth: { counts: false },
  },
  {
    name: "only all attention learns",
    world: { steps: from(16) },
    noise: noise("shared"),
    truth: { counts: false, "rule-recall": false },
    clear: ["counts"],
  },
  {
    name: "no differences at all",
    world: { steps: () => 180, ...alike },
    noise: noise("apart"),
    truth: { counts: false, "rule-recall": false, placement: false, local: false },
  },
  {
    name: "by score: published claim is true",
    world: { steps: (attention) => asPublished(attention) },
    noise: noise("shared"),
    byScore: true,
    truth: { counts: true },
  },
  {
    name: "by score: nothing matters beyond one layer",
    world: { steps: from(1, 300) },
    noise: noise("shared"),
    byScore: true,
    truth: { counts: false },
  },
  {
    name: "four layers are as good",
    world: { steps: from(4) },
    noise: noise("shared"),
    truth: { counts: true, published: false },
  },
  {
    name: "a dense placement takes 20% longer",
    world: { steps: asPublished, ratio: (label) => (label === "6 early, dense" ? 1.2 : 1) },
    noise: noise("apart"),
    truth: { placement: true },
  },
  {
    name: "placements take 2% longer: the margin itself",
    world: { steps: asPublished, ratio: () => 1.02 },
    noise: noise("shared"),
    truth: { placement: false },
    atLevel: true,
  },
  {
    name: "a window is slower and no better",
    world: { steps: asPublished, ...windowOnly(3.6), ratio: slowWindow },
    noise: noise("apart"),
    truth: { local: true },
  },
  {
    name: "a window is slower and better",
    world: { steps: asPublished, ...windowOnly(3.5), ratio: slowWindow },
    noise: noise("apart"),
    truth: { local: false },
    clear: ["local"],
  },
];

/** Budgets in minutes. A true claim must be found within the last. */
const BUDGETS = [20, 60];

const verdicts = (decisions: StudyDecisions): Readonly<Record<Question, Decision["verdict"]>> => ({
  published: decisions.published.verdict,
  "rule-recall": decisions.rules[0]?.verdict ?? "undecidable",
  counts: decisions.counts.verdict,
  placement: decisions.placement.verdict,
  local: decisions.local.verdict,
});

export const studyDesign = (): readonly Designed[] => {
  const path = "configs/minimal-hybrid-quick.yaml";
  return minimalHybridDesign(new Space(parseSweepConfig(readFileSync(path, "utf8"), path).space));
};

/** A study whose numbers of seeds and pairs the clock decides, on a machine that leaves time for more than the plan. */
interface Timed {
  readonly name: string;
  readonly plan: StudyPlan;
  readonly clock?: number;
}

/** About 40 blocks of 7 layouts; a block takes 1,000 to 2,800 steps, by what its layouts learn. */
const FAST_CLOCK = 60_000;
const fastMachine = (design: readonly Designed[]): Timed => ({
  name: "20 min, fast machine",
  plan: { ...planStudy(20, design), seeds: 60, pairs: 64 },
  clock: FAST_CLOCK,
});

function rowsOf(
  one: Case,
  { name, plan, clock }: Timed,
  design: readonly Designed[],
  usualRuns: number,
  seed: number,
) {
  const runs = one.atLevel ? 8 * usualRuns : usualRuns;
  const rowOf = one.atLevel ? levelRow : shareRow;
  const rng = createRng(seed);
  const found = Array.from({ length: runs }, () => {
    const world = { ...usual, ...one.world, ...(clock && { clock }) } as SupposedWorld;
    const input = supposedInput(world, one.noise, plan, design, rng, one.byScore ? "score" : "steps");
    // Only one rule is evaluated, because drawing the rules' choices takes most of the time.
    const rules = one.truth["rule-recall"] === undefined ? [] : input.rules.slice(0, 1);
    return verdicts(decideStudy({ ...input, rules }, rng));
  });
  return Object.entries(one.truth).flatMap(([question, isTrue]): ConclusionRow[] => {
    const share = (verdict: Decision["verdict"], limit: string): ConclusionRow => {
      const hits = found.filter((all) => all[question as Question] === verdict).length;
      return rowOf(`${name}, ${question}, ${one.name}: ${verdict}`, hits, runs, limit);
    };
    const last = plan.minutes === BUDGETS.at(-1);
    if (isTrue) return [share("contradicts", "<= 0.05"), ...(last ? [share("agrees", ">= 0.80")] : [])];
    const found80 = last && one.clear?.includes(question as Question);
    return [share("agrees", "<= 0.05"), ...(found80 ? [share("contradicts", ">= 0.80")] : [])];
  });
}

export async function reproduceRows({ runs, seed }: ConclusionRuns): Promise<readonly ConclusionRow[]> {
  const design = studyDesign();
  const timed: readonly Timed[] = [
    ...BUDGETS.map((minutes) => ({ name: `${minutes} min`, plan: planStudy(minutes, design) })),
    fastMachine(design),
  ];
  return timed.flatMap((study) => cases.flatMap((one, n) => rowsOf(one, study, design, runs, seed + n)));
}
