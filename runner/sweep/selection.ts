// The choice of `edgefront select`: applies the rule of search/selection/ to the layouts of a sweep's report.
import { InvalidInputError } from "../../candidates/errors.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { choicesOf } from "../../reports/choices.ts";
import type { ReportData, ReportTrial } from "../../reports/report-model.ts";
import type { Budget } from "../../search/budgets.ts";
import { type Choice, qualityOf } from "../../search/selection/choice.ts";
import type { RuleName } from "../../search/selection/rules.ts";
import { type Selection, type SelectionOptions, select } from "../../search/selection/select.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";

/** A user's request for a choice. */
export interface Asked {
  readonly rule: RuleName;
  readonly budgets: readonly Budget[];
  /** Name of an objective; the first score when absent. */
  readonly quality?: string | undefined;
  readonly tolerance: number;
}

/** Default loss of quality, in its unit, that the choice may accept. */
export const DEFAULT_TOLERANCE = 0.01;

export interface Selected {
  readonly options: SelectionOptions;
  readonly choices: readonly Choice[];
  readonly selection: Selection;
  /** Returns the trial of a choice, with every metric that it was judged by. */
  trialOf(choice: Pick<Choice, "trial">): ReportTrial;
}

function qualityNamed(objectives: readonly Objective[], asked: string | undefined): Objective {
  const found = asked === undefined ? qualityOf(objectives) : objectives.find(({ name }) => name === asked);
  if (found !== undefined) return found;
  throw new InvalidInputError(
    "unknown-metric",
    `"${asked}" is not an objective of this sweep${suggestion(
      asked ?? "",
      objectives.map((o) => o.name),
    )}`,
  );
}

/** Adds counted metrics that the sweep itself did not need. */
function withCounted(trial: ReportTrial, names: readonly string[], config: SweepConfig): ReportTrial {
  const counted = names.flatMap((name) =>
    name in trial.metrics ? [] : (staticMetric(name, trial.layout, config.measure.quantization) ?? []),
  );
  const metrics = Object.fromEntries(counted.map(({ name, ...metric }) => [name, metric]));
  return { ...trial, metrics: { ...trial.metrics, ...metrics } };
}

/**
 * Chooses from the front of a sweep. `data` must hold estimates.
 * @throws InvalidInputError (`unknown-metric`).
 */
export function selectionOf(
  data: Pick<ReportData, "objectives" | "trials">,
  config: SweepConfig,
  { rule, budgets, quality, tolerance }: Asked,
): Selected {
  const options: SelectionOptions = {
    rule,
    budgets,
    objectives: data.objectives,
    quality: qualityNamed(data.objectives, quality),
    tolerance,
  };
  const budgeted = budgets.map(({ metric }) => metric);
  const trials = new Map(
    data.trials
      .filter(({ onFront }) => onFront)
      .map((trial) => [trial.number, withCounted(trial, budgeted, config)]),
  );
  const choices = choicesOf([...trials.values()]);
  return {
    options,
    choices,
    selection: select(choices, options),
    trialOf: ({ trial }) => trials.get(trial)!,
  };
}
