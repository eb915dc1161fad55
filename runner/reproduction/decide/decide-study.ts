// Decides every question of the minimal-hybrid study from one input: the runs, pairs and layouts of a real or
// a simulated study.

import type { Rng } from "../../../candidates/space.ts";
import type { ComparedPair } from "../../../profilers/compare.ts";
import type { ContextMetric } from "../../../profilers/metrics/kinds.ts";
import { PUBLISHED_LABEL } from "../../../search/designs/minimal-hybrid.ts";
import { decideCounts } from "./decide-counts.ts";
import { decideLocal } from "./decide-local.ts";
import { decidePlacement, type PlacementDecision, type PlacementPairs } from "./decide-placement.ts";
import { decidePublished, type PublishedDecision, type Rival } from "./decide-published.ts";
import type { Endpoint } from "./endpoint.ts";
import { decideRule, type RuleChoice, type RuleDecision, type RuleQuestion } from "./rule.ts";
import type { Decision } from "./verdict.ts";

/** Names of the times of a pair. */
export const TTFT = "ttftMs" satisfies ContextMetric;
export const P95 = "decodeP95Ms" satisfies ContextMetric;

export interface StudyInput {
  readonly endpoints: readonly Endpoint[];
  readonly placements: readonly PlacementPairs[];
  /**
   * Label of the published layout with a window instead of the convolution, and its pairs against the
   * published one.
   */
  readonly window: { readonly label: string; readonly pairs: readonly ComparedPair[] };
  readonly rivals: readonly Rival[];
  readonly choices: readonly RuleChoice[];
  readonly rules: readonly RuleQuestion[];
}

export interface StudyDecisions {
  readonly published: PublishedDecision;
  /** Decisions in the order of `rules`. */
  readonly rules: readonly RuleDecision[];
  readonly counts: Decision;
  readonly placement: PlacementDecision;
  readonly local: Decision;
}

/** Returns all decisions; `rng` draws the values for the rule. */
export function decideStudy(input: StudyInput, rng: Rng): StudyDecisions {
  const { endpoints, placements, window, rivals, choices, rules } = input;
  return {
    published: decidePublished(rivals, PUBLISHED_LABEL, endpoints),
    rules: rules.map((question) => decideRule(choices, question, rng)),
    counts: decideCounts(endpoints),
    placement: decidePlacement(placements, TTFT),
    local: decideLocal({
      endpoints,
      window: window.label,
      conv: PUBLISHED_LABEL,
      pairs: window.pairs,
      metrics: [TTFT, P95],
    }),
  };
}
