// The published layout against its rivals. A rival beats it if it is nowhere worse and somewhere better, each
// by more than the margin of the objective (epsilon-dominance). The claim is that no rival does. Rejected:
// "better everywhere by more than epsilon". Recall ends at one score for all layouts that solve the task, so
// no rival could be better in it, and the claim could not fail.
import { all, any, type Evidence, not } from "../../../profilers/statistics/evidence.ts";
import { below, type Difference, type Look, now } from "../../../profilers/statistics/margin.ts";
import { better, type Endpoint, isLearnt, notWorse } from "./endpoint.ts";
import { MATTERS } from "./margins.ts";
import { type Decision, decide, LEVEL, undecidable } from "./verdict.ts";

export interface Rival {
  readonly label: string;
  /** Logarithm of its time or size over the published layout's, by metric; null if the error is unknown. */
  readonly costs: Readonly<Record<string, Difference | null>>;
}

export interface PublishedDecision extends Decision {
  /** Rivals shown to beat the published layout, each judged alone. */
  readonly beaten: readonly string[];
}

/** Returns evidence that the rival beats the published layout. */
export function beats(
  rival: Rival,
  published: string,
  endpoints: readonly Endpoint[],
  look: Look = now,
): Evidence {
  const costs = Object.values(rival.costs);
  const most = Math.log1p(MATTERS);
  return all([
    ...endpoints.map((endpoint) => notWorse(endpoint, rival.label, published, look)),
    ...costs.map((cost) => below(cost, most, look)),
    any([
      ...endpoints.map((endpoint) => better(endpoint, rival.label, published, look)),
      ...costs.map((cost) => below(cost, -most, look)),
    ]),
  ]);
}

/** Returns the decision; undecidable without rivals, or if no proxy learnt one of the tasks. */
export function decidePublished(
  rivals: readonly Rival[],
  published: string,
  endpoints: readonly Endpoint[],
): PublishedDecision {
  if (rivals.length === 0 || !endpoints.every(isLearnt)) return { ...undecidable, beaten: [] };
  const evidence = rivals.map((rival) => ({ rival, beats: beats(rival, published, endpoints) }));
  return {
    ...decide((look) => all(rivals.map((rival) => not(beats(rival, published, endpoints, look))))),
    beaten: evidence.flatMap(({ rival, beats: { pTrue } }) => (pTrue <= LEVEL ? [rival.label] : [])),
  };
}
