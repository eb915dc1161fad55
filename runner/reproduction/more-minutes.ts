// Estimates the additional minutes that would decide a question, from the time of its seeds or pairs so far.
import { LEAST_PAIRS } from "./decide/paired-time.ts";
import type { Decision } from "./decide/verdict.ts";
import type { Study } from "./study.ts";
import { quickCosts } from "./study-plan.ts";

/** The kind of samples that a question rests on. */
export type Samples = "seeds" | "pairs" | "both";

/** The number of seeds to reach first: with fewer, a failure rate of one in four cannot be excluded. */
const USUAL_SEEDS = 10;

interface Spent {
  readonly now: number;
  readonly least: number;
  readonly minutesEach: number;
}

function seedsOf({ endpoints, record, context }: Study): Spent {
  const counts = endpoints.flatMap(({ losses }) => [...losses.values()].map((own) => own.length));
  const labels = Math.max(1, ...endpoints.map(({ losses }) => losses.size));
  const now = counts.length === 0 ? 0 : Math.min(...counts);
  const extra = now - (context.config.score?.seeds.length ?? 0);
  const assumed = (labels * quickCosts.seed) / 60;
  return {
    now,
    least: USUAL_SEEDS,
    minutesEach: extra > 0 && record.minutes.seeds > 0 ? record.minutes.seeds / extra : assumed,
  };
}

function pairsOf({ record }: Study): Spent {
  const counts = [...record.pairs.values()].map((own) => own.length);
  const now = counts.length === 0 ? 0 : Math.min(...counts);
  const assumed = (Math.max(6, record.pairs.size) * quickCosts.pair) / 60;
  const minutesEach = now > 0 && record.minutes.pairs > 0 ? record.minutes.pairs / now : assumed;
  return { now, least: LEAST_PAIRS, minutesEach };
}

/**
 * Returns the additional minutes for a decision; null if more of the same samples would not decide the
 * question.
 */
export function missingMinutes(decision: Decision, samples: Samples, study: Study): number | null {
  const parts = [
    ...(samples === "pairs" ? [] : [seedsOf(study)]),
    ...(samples === "seeds" ? [] : [pairsOf(study)]),
  ];
  const more = decision.more();
  if (more === null && parts.every(({ now, least }) => now >= least)) return null;
  return parts.reduce(
    (sum, { now, least, minutesEach }) => sum + Math.max(least - now, ((more ?? 1) - 1) * now) * minutesEach,
    0,
  );
}
