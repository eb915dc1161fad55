// What `edgefront select` chooses in a sweep: the layouts of its report under the one rule (search/selection/).
import { InvalidInputError } from "../../candidates/errors.ts";
import { staticMetric } from "../../profilers/static-metrics.ts";
import { choicesOf } from "../../reports/choices.ts";
import type { ReportData, ReportTrial } from "../../reports/model.ts";
import type { Budget } from "../../search/budgets.ts";
import { type Choice, qualityOf } from "../../search/selection/choice.ts";
import type { RuleName } from "../../search/selection/rules.ts";
import { type Selection, type SelectionOptions, select } from "../../search/selection/select.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";

/** What a user asks for. */
export interface Asked {
  readonly rule: RuleName;
  readonly budgets: readonly Budget[];
  /** An objective; the first score without. */
  readonly quality?: string | undefined;
  readonly tolerance: number;
}

/** Quality given up freely, in its unit, where nobody says otherwise. */
export const DEFAULT_TOLERANCE = 0.01;

export interface Selected {
  readonly options: SelectionOptions;
  readonly choices: readonly Choice[];
  readonly selection: Selection;
  /** The trial of a choice, with everything that it was judged by. */
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

/** Counted metrics that the sweep had no use for are counted now. */
function withCounted(trial: ReportTrial, names: readonly string[], config: SweepConfig): ReportTrial {
  const counted = names.flatMap((name) =>
    name in trial.metrics ? [] : (staticMetric(name, trial.layout, config.measure.quantization) ?? []),
  );
  const metrics = Object.fromEntries(counted.map(({ name, ...metric }) => [name, metric]));
  return { ...trial, metrics: { ...trial.metrics, ...metrics } };
}

/** Chooses among the front of a sweep, whose data hold estimates. @throws InvalidInputError (`unknown-metric`). */
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
