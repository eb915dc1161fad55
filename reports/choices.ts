// Converts the layouts of a sweep for the selection rule, in one place, so that the page and the command line
// choose from the same ones.
import { formatMixer } from "../candidates/notation.ts";
import { attentionCount } from "../candidates/space.ts";
import type { Choice, Known } from "../search/selection/choice.ts";
import type { ReportMetric, ReportTrial } from "./report-model.ts";

/** Returns a value with its interval; without an estimate, the error of a sampled value is unknown. */
function knownOf({ value, samples, stable, estimate }: ReportMetric): Known {
  if (estimate !== undefined) return { value, low: estimate.low, high: estimate.high, marks: estimate.marks };
  if (samples.length === 0) return { value, low: value, high: value, marks: [] };
  return { value, low: null, high: null, marks: [...(stable ? [] : ["unstable"]), "unknown error"] };
}

/** Converts a trial to a layout for the selection rule. */
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

/** Returns the layouts to choose from: the front. */
export const choicesOf = (trials: readonly ReportTrial[]): readonly Choice[] =>
  trials.filter(({ onFront }) => onFront).map(choiceOf);
