// From evidence to a verdict: agrees, contradicts, or undecidable, and then how many times the samples would decide it.
import type { Evidence } from "../../../profilers/statistics/evidence.ts";
import { type Look, now } from "../../../profilers/statistics/margin.ts";

export interface Decision {
  readonly verdict: "agrees" | "contradicts" | "undecidable";
  /** How many times the samples decide it in about 80% of repetitions, if what was seen is true; null where that many are not in sight. */
  more(): number | null;
}

/** Chance of a wrong verdict, of either kind. */
export const LEVEL = 0.05;
/** Standard errors that a test must have left over to succeed in 80% of cases. */
export const POWER_80 = 0.8416;
const MOST_MORE = 60;

export function verdictOf({ pTrue, pFalse }: Evidence): Decision["verdict"] {
  if (pTrue <= LEVEL && pFalse > LEVEL) return "agrees";
  return pFalse <= LEVEL && pTrue > LEVEL ? "contradicts" : "undecidable";
}

/** `evidence`: as it is, or as it would look with more samples. */
export const decide = (evidence: (look: Look) => Evidence): Decision => ({
  verdict: verdictOf(evidence(now)),
  more: () => {
    for (let more = 1.1; more <= MOST_MORE; more *= 1.1)
      if (verdictOf(evidence({ more, handicap: POWER_80 })) !== "undecidable") return more;
    return null;
  },
});

/** Where no number of samples helps: nothing was learnt, or nothing was measured. */
export const undecidable: Decision = { verdict: "undecidable", more: () => null };
