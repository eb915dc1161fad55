// Where the published layout stands and what the minimal-hybrid rule picks, both against the whole front.
import { parameterCount } from "../../candidates/cost.ts";
import { formatMixer, formatPattern } from "../../candidates/notation.ts";
import { attentionCount } from "../../candidates/space.ts";
import { formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import type { Budget } from "../../search/budgets.ts";
import { contributions, hypervolume, referencePoint } from "../../search/hypervolume.ts";
import { dominates, nonDominated, orient } from "../../search/pareto.ts";
import type { Choice, Known } from "../../search/selection/choice.ts";
import { select } from "../../search/selection/select.ts";
import type { Objective } from "../../search/strategy.ts";
import { chancesOf, pointsOf } from "../estimates.ts";
import { layers, type Study, TOLERANCE } from "./study.ts";

/** Room over what the published pattern was measured at: the budgets of the rule. LFM2's own were not published. */
const ROOM = 1.1;

export function publishedAnswer(study: Study): ReportFinding {
  const { objectives, points, history } = study.context;
  const vectors = points.map(({ metrics }) => orient(metrics, objectives));
  const at = points.indexOf(study.pattern.point);
  const front = nonDominated(vectors);
  const reference = referencePoint(vectors);
  const whole = hypervolume(vectors, reference);
  const own = front.map((index) => vectors[index]!);
  const place = front.indexOf(at);
  const better = points.filter((_, index) => dominates(vectors[index]!, vectors[at]!));
  const layouts = points.map(({ id, raw }) => ({ id, metrics: raw }));
  const chance = chancesOf(pointsOf(layouts, objectives, history))[at]!;
  const on = place >= 0;
  const share = on ? contributions(own, reference)[place]! / whole : 0;
  const counted = `It is non-dominated in ${Math.round(100 * chance)}% of draws from the samples' errors.`;
  return {
    id: "published",
    question: "Where does the published LFM2-350M layout fall relative to the front?",
    answer: on
      ? `On it: none of the other ${points.length - 1} layouts is at least as good in every objective. Without it the front would lose ${(100 * share).toFixed(1)}% of its hypervolume. ${counted}`
      : `Off it: ${better.map(({ id, layout }) => `${study.nameOf(id)} (${layers(attentionCount(layout))})`).join(", ")} ${better.length === 1 ? "is" : "are"} at least as good in every objective. ${counted}`,
    // A place that the samples' own spread puts in doubt agrees with nothing.
    verdict: chance > 0.1 && chance < 0.9 ? "open" : on ? "agrees" : "contradicts",
    table: study.table([
      study.pattern,
      ...better
        .slice(0, 5)
        .map(
          (point) =>
            study.measured.find((one) => one.point === point) ?? { ...study.pattern, label: point.id, point },
        ),
    ]),
    notes: [
      `Objectives: ${objectives.map(({ name }) => metricLabel(name)).join(", ")}. The pattern is the published order of mixers at this sweep's width and parameter count.`,
    ],
  };
}

export function ruleAnswer(study: Study, quality: Objective): ReportFinding {
  const { ttft, p95, memory } = study.names;
  const budgets: Budget[] = [ttft, p95, memory].map((metric) => ({
    metric,
    max: ROOM * study.pattern.point.metrics[metric]!,
  }));
  const { objectives, points } = study.context;
  const front = new Set(nonDominated(points.map(({ metrics }) => orient(metrics, objectives))));
  const choices = points.map((point, n): Choice => {
    const { low, high } = study.quality(point, quality.name);
    const known = (name: string, value: number): Known => {
      const [from, to] = name === quality.name ? [low, high] : [value, value];
      const unknown = !Number.isFinite(from) || !Number.isFinite(to);
      return { value, low: unknown ? null : from, high: unknown ? null : to, marks: [] };
    };
    return {
      id: point.id,
      trial: point.number,
      pattern: formatPattern(point.layout),
      parameters: parameterCount(point.layout),
      attentionLayers: attentionCount(point.layout),
      mixerKinds: new Set(point.layout.layers.map(({ mixer }) => formatMixer(mixer))).size,
      onFront: front.has(n),
      chance: null,
      metrics: Object.fromEntries(
        Object.entries(point.metrics).map(([name, value]) => [name, known(name, value)]),
      ),
    };
  });
  const { chosen, runnerUp, reasons } = select(choices, {
    rule: "minimal-hybrid",
    budgets,
    objectives,
    quality,
    tolerance: TOLERANCE,
  });
  const describe = (choice: Choice | null): string =>
    choice === null
      ? "none"
      : `${study.nameOf(choice.id)}: ${choice.pattern} (${layers(choice.attentionLayers)})`;
  const count = chosen?.attentionLayers ?? null;
  const depth = study.pattern.layout.layers.length;
  const chosenLayout = points.find(({ id }) => id === chosen?.id)?.layout;
  const onlyConv = chosenLayout?.layers.every(({ mixer }) => mixer.op !== "swa") ?? false;
  return {
    id: `rule-${quality.name}`,
    question: `What does the minimal-hybrid rule pick by ${metricLabel(quality.name).toLowerCase()}?`,
    answer:
      chosen === null
        ? `Nothing fits the budgets. ${reasons.at(-1) ?? ""}`
        : `${describe(chosen)}. Runner-up: ${describe(runnerUp)}.`,
    // Published: a minority of attention layers among convolutions.
    verdict:
      count === null || study.unlearnt.includes(quality)
        ? "open"
        : count > 0 && count < depth / 2 && onlyConv
          ? "agrees"
          : "contradicts",
    notes: [
      `Budgets are ${Math.round(100 * (ROOM - 1))}% above what the published pattern was measured at: ${budgets
        .map(
          ({ metric, max }) =>
            `${metricLabel(metric, { device: false })} ${formatValue(max!, study.pattern.point.raw[metric]!.unit)}`,
        )
        .join(", ")}. LFM2's own budgets were not published.`,
      ...reasons,
    ],
  };
}
