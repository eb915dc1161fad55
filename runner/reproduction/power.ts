// The statistical power of a plan: how often each question would get the right verdict if its claim were true
// or false as supposed, with assumed or measured noise. Computed by the real decisions on simulated studies,
// not by a separate formula.
import type { Rng } from "../../candidates/space.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import { decideStudy, type StudyDecisions } from "./decide/decide-study.ts";
import type { Decision } from "./decide/verdict.ts";
import type { StudyPlan } from "./study-plan.ts";
import { type SupposedNoise, type SupposedWorld, supposedInput, usual } from "./supposed.ts";

export interface Chance {
  readonly supposed: string;
  readonly chance: number;
}

/** Chances of "agrees" for a true claim and of "contradicts" for a false one. */
export interface PowerRow {
  readonly question: string;
  readonly true: Chance;
  readonly false: Chance;
}

/** Noise of a pair is only 6%, because both runs of a pair share slow changes of the machine. */
export const assumedNoise: SupposedNoise = { steps: 0.2, score: 0.05, pair: 0.06, session: 0.1 };

/** Returns the noise in words. */
export const noiseText = ({ steps, score, pair, session }: SupposedNoise): string =>
  `standard deviation between seeds: ${steps.toFixed(2)} of the logarithm of the steps, ${score.toFixed(3)} of a score; ` +
  `of a pair: ${(100 * pair).toFixed(1)}%; of a session: ${(100 * session).toFixed(0)}%`;

const never = Number.POSITIVE_INFINITY;
const few = (attention: number): number =>
  attention === 0 ? never : attention === 1 ? 700 : attention < 6 ? 440 - 35 * attention : 180;
const from =
  (least: number) =>
  (attention: number): number =>
    attention >= least ? 180 : never;
const isWindow = (label: string): boolean => label.includes("with s");

interface Scenario {
  readonly supposed: string;
  readonly world: Partial<SupposedWorld>;
}

interface Question {
  readonly question: string;
  readonly verdict: (decisions: StudyDecisions) => Decision["verdict"];
  readonly true: Scenario;
  readonly false: Scenario;
}

const questions: readonly Question[] = [
  {
    question: "the published layout and its rivals",
    verdict: ({ published }) => published.verdict,
    true: {
      supposed: "every layout with fewer attention layers learns slower by two thirds or more",
      world: { steps: few },
    },
    false: { supposed: "four attention layers learn as fast", world: { steps: from(4) } },
  },
  {
    question: "the rule by recall",
    verdict: ({ rules }) => rules[0]?.verdict ?? "undecidable",
    true: { supposed: "one attention layer does not solve the task, two do", world: { steps: few } },
    false: { supposed: "one attention layer solves the task", world: { steps: from(1) } },
  },
  {
    question: "0 to 16 attention layers",
    verdict: ({ counts }) => counts.verdict,
    true: { supposed: "six learn as fast as all, one does not solve the task", world: { steps: few } },
    false: { supposed: "one learns as fast as six", world: { steps: from(1) } },
  },
  {
    question: "early or dense placement",
    verdict: ({ placement }) => placement.verdict,
    true: {
      supposed: "one placement takes 10% longer",
      world: { steps: few, ratio: (label) => (label === "6 early, dense" ? 1.1 : 1) },
    },
    false: { supposed: "all take the same time", world: { steps: few } },
  },
  {
    question: "a window for the convolution",
    verdict: ({ local }) => local.verdict,
    true: {
      supposed: "the window takes 10% longer and is no better",
      world: { steps: few, ratio: (label) => (isWindow(label) ? 1.1 : 1) },
    },
    false: {
      supposed: "the window is better by twice the margin",
      world: { steps: few, text: (attention, label) => usual.text(attention) - (isWindow(label) ? 0.1 : 0) },
    },
  },
];

const RUNS = 40;

function chanceOf(
  { supposed, world }: Scenario,
  verdict: Question["verdict"],
  wanted: Decision["verdict"],
  draw: (world: SupposedWorld) => StudyDecisions,
): Chance {
  const hits = Array.from({ length: RUNS }, () => verdict(draw({ ...usual, ...world } as SupposedWorld)));
  return { supposed, chance: hits.filter((found) => found === wanted).length / RUNS };
}

/** Returns the power of each question. `rng` draws the simulated studies. */
export function powerOf(
  plan: StudyPlan,
  design: readonly Designed[],
  noise: SupposedNoise,
  rng: Rng,
): readonly PowerRow[] {
  return questions.map((asked): PowerRow => {
    const draw = (world: SupposedWorld): StudyDecisions => {
      const input = supposedInput(world, noise, plan, design, rng);
      // Drawing the rule's choices is the most expensive part.
      const rules = asked.question.startsWith("the rule") ? input.rules.slice(0, 1) : [];
      return decideStudy({ ...input, rules }, rng);
    };
    return {
      question: asked.question,
      true: chanceOf(asked.true, asked.verdict, "agrees", draw),
      false: chanceOf(asked.false, asked.verdict, "contradicts", draw),
    };
  });
}
