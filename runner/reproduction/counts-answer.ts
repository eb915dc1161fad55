// The curve over counts of attention layers: is a minority needed, and enough?
import type { ReportFinding } from "../../reports/model.ts";
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
    undecidable: "neither shown",
  },
  enough: {
    agrees: "not better by more than the margin",
    contradicts: "better by more than the margin",
    undecidable: "neither shown",
  },
} as const;

function partText(part: CountPart): string {
  const { endpoint, count, kind } = part;
  const difference = blocked(endpoint, countLabel(count), SIX);
  return `${layers(count)}: ${lossText(endpoint, difference)} (${words[kind][verdictOf(countEvidence(part))]})`;
}

export function countsAnswer(study: Study): ReportFinding | null {
  const rows = study.measured.filter(({ group }) => group === "count");
  if (!rows.some(({ label }) => label === SIX)) return null;
  const sentences = study.endpoints.map((endpoint) => {
    const parts = countParts(study.endpoints).filter((part) => part.endpoint === endpoint);
    const seeds = Math.max(0, ...[...endpoint.losses.values()].map((own) => own.length));
    return `${endpointText(endpoint)}, ${seeds} seed${seeds === 1 ? "" : "s"}, beside ${layers(PUBLISHED_COUNT)}, margin ${marginText(endpoint)}: ${parts.map(partText).join("; ")}.`;
  });
  return {
    id: "counts",
    question: "What happens with 0, 1, 2, 4, 6, 8 and 16 attention layers?",
    answer: sentences.map((text) => text[0]!.toUpperCase() + text.slice(1)).join(" "),
    ...study.verdict(study.decisions.counts, "seeds"),
    table: study.table([...rows, study.pattern]),
    notes: [
      `Published, as it is tested: with none and with one attention layer recall is learnt worse than with ${PUBLISHED_COUNT} by more than the margin, and with 8 or with all nothing is learnt better by more than it. It agrees when all of this is shown, and contradicts when any of it is shown to fail, each with at most 5% error.`,
      ...study.powerNotes("0 to 16 attention layers"),
      ...study.unlearntNotes(),
      ...beyondReach(study),
      study.pooledNote(),
      `Scores are after this budget of steps, not at a proxy's best: layouts differ in how soon they learn.${enoughFor(study)}`,
    ],
  };
}

/** Where training ends at a share of right answers, those above it are one score. */
function enoughFor({ context }: Study): string {
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks
    .flatMap(([name, { training }]) =>
      training.stop?.accuracy === undefined
        ? []
        : [
            ` Training on ${name} ends at ${training.stop.accuracy} right: layouts are compared by the steps it takes, ${training.steps} where it is not reached.`,
          ],
    )
    .join("");
}

/** Said where a task asks farther back than convolutions of 3 taps see: the fall without attention is then no finding. */
function beyondReach({ context, pattern }: Study): readonly string[] {
  const reach = 2 * pattern.layout.layers.length;
  const tasks = Object.entries(context.config.score?.tasks ?? {});
  return tasks.flatMap(([name, { task, options }]) =>
    task === "long-recall" && Number(options.distance) - 1 > reach
      ? [
          `The values of ${name} stand ${Number(options.distance) - 1} tokens before their question, and convolutions of 3 taps in all layers see ${reach} back: that none without attention recalls them is so by construction. What is found is how few attention layers are enough, and where.`,
        ]
      : [],
  );
}
