// Where the published layout stands among its rivals, and what the minimal-hybrid rule picks.
import { formatPattern } from "../../candidates/notation.ts";
import { attentionCount } from "../../candidates/space.ts";
import { taskOfScore } from "../../profilers/metrics/name.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
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
    question: "Where does the published LFM2-350M layout fall relative to the front?",
    answer:
      `Of ${verdicts.length} rivals, shown to beat it: ${list(beaten)}; not excluded: ${list(open)}. ` +
      `By the values as they are, without their errors, ${seen.length === 0 ? "none" : seen.length} of ${points.length - 1} layouts ${seen.length === 1 ? "is" : "are"} at least as good in every objective${seen.length === 0 ? "" : ` (${seen.slice(0, 5).join(", ")})`}.`,
    ...study.verdict(decisions.published, "seeds"),
    table: study.table(rows),
    notes: [
      `A rival beats it when it is nowhere worse and somewhere better, by more than ${[...endpoints.map((endpoint) => `${marginText(endpoint)} (${endpointText(endpoint)})`), `${100 * MATTERS}% of a time or size`].join(", ")}. Published, as it is tested: no rival does. Rivals: every count of attention layers, the window, and what else was trained with at least ${MIN_SEEDS} seeds.`,
      ...study.powerNotes("the published layout and its rivals"),
      ...study.unlearntNotes(),
      `Objectives: ${objectives.map(({ name }) => metricLabel(name)).join(", ")}. The pattern is the published order of mixers at this sweep's width and parameter count; layouts of the same operators count as equal in time and memory.`,
    ],
  };
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;

/** The layouts that the rule picks in most draws. */
function picksText({ picks }: RuleDecision, study: Study): string {
  const layoutOf = new Map(study.context.points.map(({ id, layout }) => [id, layout]));
  return picks
    .slice(0, 3)
    .map(({ id, share }) => {
      if (id === null) return `nothing within the budgets in ${percent(share)}`;
      const layout = layoutOf.get(id)!;
      return `${study.nameOf(id)}, ${formatPattern(layout)} (${layers(attentionCount(layout))}${isMinimalHybrid(layout) ? "" : ", no minimal hybrid"}) in ${percent(share)}`;
    })
    .join("; ");
}

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
    question: `What does the minimal-hybrid rule pick by ${metricLabel(quality.name).toLowerCase()}?`,
    answer:
      decision.picks.length === 0
        ? "Not told: values were measured or trained once, so that their errors are unknown."
        : `Of draws of what the values may truly be: ${picksText(decision, study)}.`,
    ...study.verdict(isOpen ? undecidable : decision, "seeds"),
    notes: [
      "Published, as it is tested: the rule picks a few attention layers, more than one and fewer than half, among convolutions. A verdict is given where at least 95% of the draws give the same.",
      ...study.powerNotes("the rule by recall").filter(() => quality.direction === "max"),
      ...study.unlearntNotes(),
      `Budgets are ${Math.round(100 * (ROOM - 1))}% above what the published pattern takes in the same draw; as measured: ${budgets.join(", ")}. LFM2's own budgets were not published. Scores that differ by up to ${SCORE_MARGIN} count as equal.`,
    ],
  };
}
