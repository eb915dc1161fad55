// The layouts of a sweep as the selection rule takes them: made here once, so that the page and the command line choose from the same.
import { formatMixer } from "../candidates/notation.ts";
import { attentionCount } from "../candidates/space.ts";
import type { Choice, Known } from "../search/selection/choice.ts";
import type { ReportMetric, ReportTrial } from "./model.ts";

/** A value with its interval; without an estimate the error of what was sampled is unknown. */
function knownOf({ value, samples, stable, estimate }: ReportMetric): Known {
  if (estimate !== undefined) return { value, low: estimate.low, high: estimate.high, marks: estimate.marks };
  if (samples.length === 0) return { value, low: value, high: value, marks: [] };
  return { value, low: null, high: null, marks: [...(stable ? [] : ["unstable"]), "unknown error"] };
}

export const choiceOf = (trial: ReportTrial): Choice => ({
  id: trial.id,
  trial: trial.number,
  pattern: trial.pattern,
  parameters: trial.parameters,
  attentionLayers: attentionCount(trial.layout),
  mixerKinds: new Set(trial.layout.layers.map(({ mixer }) => formatMixer(mixer))).size,
  onFront: trial.onFront,
  chance: trial.chance ?? null,
  metrics: Object.fromEntries(Object.entries(trial.metrics).map(([name, metric]) => [name, knownOf(metric)])),
});

/** What can be chosen: the front. */
export const choicesOf = (trials: readonly ReportTrial[]): readonly Choice[] =>
  trials.filter(({ onFront }) => onFront).map(choiceOf);
