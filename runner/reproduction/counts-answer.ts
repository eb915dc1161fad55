// The answer about the number of attention layers: are a few needed, and are a few enough?
import type { ReportFinding } from "../../reports/report-model.ts";
import { countLabel } from "../../search/designs/minimal-hybrid.ts";
import { type CountPart, countEvidence, countParts } from "./decide/decide-counts.ts";
import { blocked } from "./decide/endpoint.ts";
import { PUBLISHED_COUNT } from "./decide/margins.ts";
import { verdictOf } from "./decide/verdict.ts";
import { layers, type Study } from "./study.ts";
import { endpointText, lossText, marginText } from "./study-figures.ts";

const SIX = countLabel(PUBLISHED_COUNT);

const words = {
  needed: {
    agrees: "worse by more than the margin",
    contradicts: "not worse by more than the margin",
    undecidable: "undecided",
  },
  enough: {
    agrees: "not better by more than the margin",
    contradicts: "better by more than the margin",
    undecidable: "undecided",
  },
} as const;

function partText(part: CountPart): string {
  const { endpoint, count, kind } = part;
  const difference = blocked(endpoint, countLabel(count), SIX);
  return `${layers(count)}: ${lossText(endpoint, difference)} (${words[kind][verdictOf(countEvidence(part))]})`;
}

/** Returns the answer; null if the layout with the published number has no result. */
export function countsAnswer(study: Study): ReportFinding | null {
  const rows = study.measured.filter(({ group }) => group === "count");
  if (!rows.some(({ label }) => label === SIX)) return null;
  const sentences = study.endpoints.map((endpoint) => {
    const parts = countParts(study.endpoints).filter((part) => part.endpoint === endpoint);
    const seeds = Math.max(0, ...[...endpoint.losses.values()].map((own) => own.length));
    return `${endpointText(endpoint)}, ${seeds} seed${seeds === 1 ? "" : "s"}, compared with ${layers(PUBLISHED_COUNT)}, margin ${marginText(endpoint)}: ${parts.map(partText).join("; ")}.`;
  });
  return {
    id: "counts",
    question: "What happens with 0, 1, 2, 4, 6, 8 and 16 attention layers?",
    answer: sentences.map((text) => text[0]!.toUpperCase() + text.slice(1)).join(" "),
    ...study.verdict(study.decisions.counts, "seeds"),
    table: study.table([...rows, study.pattern]),
    notes: [
      `The tested claim has two parts. Layouts with 0 and with 1 attention layer learn recall worse than ${PUBLISHED_COUNT} layers, by more than the margin. Layouts with 8 and with all attention layers learn no task better, by more than the margin. The verdict is "agrees" if every part is shown, and "contradicts" if any part is shown to be false, each with at most 5% error.`,
      ...study.powerNotes("0 to 16 attention layers"),
      ...study.unlearntNotes(),
      ...beyondReach(study),
      study.pooledNote(),
      `Scores are those after this number of steps, not a proxy's best: layouts differ in how soon they learn.${enoughFor(study)}`,
    ],
  };
}

/**
 * Returns a note for each task whose training ends at a share of right answers: scores above that share are
 * equal.
 */
function enoughFor({ context }: Study): string {
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks
    .flatMap(([name, { training }]) =>
      training.stop?.accuracy === undefined
        ? []
        : [
            ` Training on ${name} ends at an accuracy of ${training.stop.accuracy}, so layouts are compared by the steps to reach it (${training.steps} if not reached).`,
          ],
    )
    .join("");
}

/**
 * Returns a note for each task that asks farther back than convolutions of 3 taps see: failing without
 * attention is then no finding.
 */
function beyondReach({ context, pattern }: Study): readonly string[] {
  const reach = 2 * pattern.layout.layers.length;
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks.flatMap(([name, { task, options }]) =>
    task === "long-recall" && Number(options.distance) - 1 > reach
      ? [
          `In ${name}, a value stands ${Number(options.distance) - 1} tokens before its question, and convolutions of 3 taps in all layers see ${reach} back. So no layout without attention can recall it, by construction. The finding is how few attention layers are enough, and where.`,
        ]
      : [],
  );
}
