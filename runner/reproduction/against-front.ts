// Two answers: the published layout among its rivals, and the choice of the minimal-hybrid rule.
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount } from "../../candidates/space.ts";
import { taskOfScore } from "../../profilers/metrics/name.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import { dominates, orient } from "../../search/pareto.ts";
import type { Objective } from "../../search/strategy.ts";
import { beats } from "./decide/decide-published.ts";
import { MATTERS, MIN_SEEDS, SCORE_MARGIN } from "./decide/margins.ts";
import { isMinimalHybrid, ROOM, type RuleDecision } from "./decide/rule.ts";
import { undecidable, verdictOf } from "./decide/verdict.ts";
import { layers, type Study } from "./study.ts";
import { endpointText, marginText } from "./study-figures.ts";

const list = (labels: readonly string[]): string => (labels.length === 0 ? "none" : labels.join(", "));

/** Returns the answer about the published layout and its rivals. */
export function publishedAnswer(study: Study): ReportFinding {
  const { context, pattern, input, endpoints, decisions } = study;
  const { objectives, points } = context;
  const vector = (metrics: Readonly<Record<string, number>>) => orient(metrics, objectives);
  const own = vector(pattern.point.metrics);
  const seen = points
    .filter(({ metrics }) => dominates(vector(metrics), own))
    .map(({ id }) => study.nameOf(id));
  const verdicts = input.rivals.map((rival) => ({
    label: rival.label,
    beats: verdictOf(beats(rival, PUBLISHED_LABEL, endpoints)),
  }));
  const open = verdicts.filter(({ beats: verdict }) => verdict === "undecidable").map(({ label }) => label);
  const { beaten } = decisions.published;
  const rows = [pattern, ...study.measured.filter(({ label }) => [...beaten, ...open].includes(label))];
  return {
    id: "published",
    question: "Does any layout beat the published LFM2-350M layout?",
    answer:
      `Rivals: ${verdicts.length}. Rivals shown to beat it: ${list(beaten)}. Rivals that may beat it: ${list(open)}. ` +
      `If errors are ignored, ${seen.length === 0 ? "none" : seen.length} of ${points.length - 1} layouts ${seen.length === 1 ? "is" : "are"} at least as good in every objective${seen.length === 0 ? "" : ` (${seen.slice(0, 5).join(", ")})`}.`,
    ...study.verdict(decisions.published, "seeds"),
    table: study.table(rows),
    notes: [
      `A rival beats the published layout if it is nowhere worse and somewhere better, each by more than the margin: ${[...endpoints.map((endpoint) => `${marginText(endpoint)} (${endpointText(endpoint)})`), `${100 * MATTERS}% of a time or size`].join(", ")}. The tested claim is that no rival does. Rivals are every number of attention layers, the window, and other layouts trained with at least ${MIN_SEEDS} seeds.`,
      ...study.powerNotes("the published layout and its rivals"),
      ...study.unlearntNotes(),
      `Objectives: ${objectives.map(({ name }) => metricLabel(name)).join(", ")}. The pattern is the published order of mixers at this sweep's width and parameter count. Layouts with the same operators count as equal in time and memory.`,
    ],
  };
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** Returns the layouts that the rule picks in most draws, in words. */
function picksText({ picks }: RuleDecision, study: Study): string {
  const layoutOf = new Map(study.context.points.map(({ id, layout }) => [id, layout]));
  return picks
    .slice(0, 3)
    .map(({ id, share }) => {
      if (id === null) return `no layout within the budgets in ${percent(share)}`;
      const layout = layoutOf.get(id)!;
      return `${study.nameOf(id)}, ${formatPattern(layout)} (${layers(attentionCount(layout))}${isMinimalHybrid(layout) ? "" : ", not a minimal hybrid"}) in ${percent(share)}`;
    })
    .join("; ");
}

/** Returns the answer about the choice of the rule by one quality objective. */
export function ruleAnswer(study: Study, quality: Objective): ReportFinding {
  const { ttft, p95, memory } = study.names;
  const at = study.input.rules.findIndex((rule) => rule.quality.name === quality.name);
  const decision = at < 0 ? { ...undecidable, picks: [] } : study.decisions.rules[at]!;
  const isOpen = study.unlearnt.some(({ task }) => taskOfScore(quality.name) === task);
  const budgets = [ttft, p95, memory].map(
    (metric) =>
      `${metricLabel(metric, { device: false })} ${formatValue(ROOM * study.pattern.point.metrics[metric]!, study.pattern.point.raw[metric]!.unit)}`,
  );
  return {
    id: `rule-${quality.name}`,
    question: `Which layout does the minimal-hybrid rule pick by ${metricLabel(quality.name).toLowerCase()}?`,
    answer:
      decision.picks.length === 0
        ? "Cannot tell: layouts were measured or trained only once, so their errors are unknown."
        : `Share of draws of the true values: ${picksText(decision, study)}.`,
    ...study.verdict(isOpen ? undecidable : decision, "seeds"),
    notes: [
      "The tested claim is that the rule picks a few attention layers among convolutions: more than one and fewer than half. A verdict needs the same result in at least 95% of the draws.",
      ...study.powerNotes("the rule by recall").filter(() => quality.direction === "max"),
      ...study.unlearntNotes(),
      `The budgets are ${Math.round(100 * (ROOM - 1))}% above the published pattern's values in the same draw. With the measured values: ${budgets.join(", ")}. LFM2's own budgets were not published. Scores that differ by up to ${SCORE_MARGIN} count as equal.`,
    ],
  };
}
