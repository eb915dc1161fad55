// The claim "a few attention layers are needed, and enough". Needed: 0 and 1 layers learn recall worse than
// the published six, by more than the margin. Enough: 8 or all layers are better than six in no task, by more
// than the margin. It holds if every part is shown, and is contradicted if any part is shown to be false.
import { all, type Evidence, not } from "../../../profilers/statistics/evidence.ts";
import { type Look, now } from "../../../profilers/statistics/margin.ts";
import { countLabel } from "../../../search/designs/minimal-hybrid.ts";
import { type Endpoint, isLearnt, notWorse } from "./endpoint.ts";
import { MORE, PUBLISHED_COUNT, TOO_FEW } from "./margins.ts";
import { type Decision, decide, undecidable } from "./verdict.ts";

const SIX = countLabel(PUBLISHED_COUNT);

/** One comparison that is part of the claim. */
export interface CountPart {
  readonly endpoint: Endpoint;
  readonly count: number;
  /** `enough`: six are not worse than this count; `needed`: this count is worse than six. */
  readonly kind: "enough" | "needed";
}

/** Returns the comparisons of the claim. */
export function countParts(endpoints: readonly Endpoint[]): readonly CountPart[] {
  const recall = endpoints.find(({ recalls }) => recalls);
  return [
    ...(recall === undefined
      ? []
      : TOO_FEW.map((count) => ({ endpoint: recall, count, kind: "needed" as const }))),
    ...endpoints.flatMap((endpoint) => MORE.map((count) => ({ endpoint, count, kind: "enough" as const }))),
  ];
}

/** Returns the evidence for one comparison. */
export const countEvidence = ({ endpoint, count, kind }: CountPart, look: Look = now): Evidence =>
  kind === "enough"
    ? notWorse(endpoint, SIX, countLabel(count), look)
    : not(notWorse(endpoint, countLabel(count), SIX, look));

/** Returns undecidable without a recall task, or if no proxy learnt it. */
export function decideCounts(endpoints: readonly Endpoint[]): Decision {
  const parts = countParts(endpoints);
  if (!parts.some(({ kind }) => kind === "needed") || !endpoints.every(isLearnt)) return undecidable;
  return decide((look) => all(parts.map((part) => countEvidence(part, look))));
}
