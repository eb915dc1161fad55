// Turns evidence into a verdict: agrees, contradicts or undecidable. For the last it also finds the multiple
// of samples that would decide it.
import type { Evidence } from "../../../profilers/statistics/evidence.ts";
import { type Look, now } from "../../../profilers/statistics/margin.ts";

export interface Decision {
  readonly verdict: "agrees" | "contradicts" | "undecidable";
  /**
   * Returns the multiple of samples that decides it in about 80% of repetitions, if the estimates are true;
   * null beyond MOST_MORE.
   */
  more(): number | null;
}

/** Chance of a wrong verdict, of either kind. */
export const LEVEL = 0.05;
/** Additional standard errors that a test needs in order to succeed in 80% of cases. */
export const POWER_80 = 0.8416;
const MOST_MORE = 60;

/** Returns the verdict at the error rate LEVEL. */
export function verdictOf({ pTrue, pFalse }: Evidence): Decision["verdict"] {
  if (pTrue <= LEVEL && pFalse > LEVEL) return "agrees";
  return pFalse <= LEVEL && pTrue > LEVEL ? "contradicts" : "undecidable";
}

/** Returns the decision. `evidence`: returns the present evidence, or the evidence with more samples. */
export const decide = (evidence: (look: Look) => Evidence): Decision => ({
  verdict: verdictOf(evidence(now)),
  more: () => {
    for (let more = 1.1; more <= MOST_MORE; more *= 1.1)
      if (verdictOf(evidence({ more, handicap: POWER_80 })) !== "undecidable") return more;
    return null;
  },
});

/**
 * The decision on a question that no number of samples decides: nothing was learnt, or nothing was measured.
 */
export const undecidable: Decision = { verdict: "undecidable", more: () => null };
