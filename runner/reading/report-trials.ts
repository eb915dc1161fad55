// One trial for a report: its layout, its published name, its origin, its measurements and their evidence.

import { isGlobalAttention, type Layout, layoutId } from "../../candidates/layout.ts";
import { namedLayouts, publishedNames } from "../../candidates/named.ts";
import { formatKind, formatPattern } from "../../candidates/notation.ts";
import { counted } from "../../candidates/words.ts";
import type { ReportTrial } from "../../reports/report-model.ts";
import type { SweepConfig } from "../config/config.ts";
import { layoutFrom } from "../config/layouts.ts";
import type { Store } from "../store/store.ts";
import type { Trial } from "../store/trial-row.ts";
import { Evidence } from "./report-history.ts";

export const publishedIds = new Map(publishedNames.map((name) => [layoutId(namedLayouts[name]!), name]));
/** Published orders of mixers that mix full attention with another kind, longest first. */
const publishedPatterns = [
  ...new Set(
    publishedNames
      .map((name) => namedLayouts[name]!)
      .filter(({ layers }) => layers.some(isGlobalAttention) && !layers.every(isGlobalAttention))
      .map(kindsOf),
  ),
].sort((a, b) => b.length - a.length);

/** With fewer layers, too many layouts begin alike. */
const MIN_PREFIX_LAYERS = 6;

function kindsOf(layout: Layout): string {
  return layout.layers.map(({ mixer }) => formatKind(mixer)).join(" ");
}

/**
 * The name of the published layout that this one equals, or whose order of mixers it has or begins with at
 * another size; null otherwise.
 */
function publishedName(id: string, layout: Layout): string | null {
  const exact = publishedIds.get(id);
  if (exact !== undefined) return exact;
  const kinds = kindsOf(layout);
  const depth = layout.layers.length;
  const pattern = publishedPatterns.find((other) => `${other} `.startsWith(`${kinds} `));
  if (pattern === undefined || depth < MIN_PREFIX_LAYERS || !layout.layers.some(isGlobalAttention))
    return null;
  return pattern === kinds ? "LFM2 pattern" : `LFM2 pattern, first ${counted(depth, "layer")}`;
}

/**
 * Returns the ids of the layouts that the configuration declares. Entries whose file is gone are left out.
 */
export function declaredIds(config: SweepConfig): ReadonlySet<string> {
  return new Set(
    (config.space.include ?? []).flatMap((text) => {
      try {
        return [layoutId(layoutFrom(text))];
      } catch {
        return [];
      }
    }),
  );
}

/** The origins of layouts in words. */
export const inWords = {
  declared: "declared in the space",
  random: "drawn at random",
  enumerated: "next in the walk over the space",
  mutation: "varied",
  crossover: "bred from two parents",
  imported: "imported",
} as const;

/** The origin in words, with parents and operator. Databases older than origins hold neither. */
function lineageOf(
  trial: Trial,
  declared: ReadonlySet<string>,
  config: SweepConfig,
): Pick<ReportTrial, "origin" | "parents" | "operator"> {
  const kind = trial.origin?.kind ?? (declared.has(trial.candidateId) ? "declared" : null);
  const proposed = `by ${config.search.strategy}, batch ${trial.batch + 1}`;
  if (kind === "declared" || kind === "imported") return { origin: inWords[kind] };
  if (trial.origin === null || kind === null) return { origin: `proposed ${proposed}` };
  const { parents, operator } = trial.origin;
  const done = operator === null ? "" : `: ${operator}`;
  return {
    origin: `${inWords[kind]}${done} (${proposed})`,
    ...(operator === null ? {} : { parents, operator }),
  };
}

/**
 * Returns these trials by id. The reader of the whole sweep adds whether they are on the front or running.
 * Without `evidence` it is left out; reading it takes as long as everything else.
 */
export function reportTrials(
  store: Store,
  config: SweepConfig,
  declared: ReadonlySet<string>,
  ids: readonly number[],
  { evidence: wanted = true }: { readonly evidence?: boolean } = {},
): ReadonlyMap<number, ReportTrial> {
  const metrics = store.metrics.ofTrials(ids);
  const evidence = wanted ? new Evidence(store.history.ofTrials(ids)) : null;
  return new Map(
    store.trials.some(ids).map((trial): [number, ReportTrial] => [
      trial.id,
      {
        number: trial.number,
        id: trial.candidateId,
        notation: trial.notation,
        pattern: formatPattern(trial.layout),
        layout: trial.layout,
        parameters: trial.parameters,
        state: trial.state,
        reason: trial.reason,
        ...(trial.overBudget && { overBudget: trial.overBudget }),
        onFront: false,
        published: publishedName(trial.candidateId, trial.layout),
        ...lineageOf(trial, declared, config),
        ...(evidence?.contentOf(trial.id) && { identity: evidence.contentOf(trial.id) }),
        metrics: Object.fromEntries(
          (metrics.get(trial.id) ?? []).map(({ name, ...metric }) => [
            name,
            evidence === null ? metric : { ...metric, provenance: evidence.of(trial.id, name) },
          ]),
        ),
      },
    ]),
  );
}
