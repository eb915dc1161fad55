// One Gaussian process an objective, over oriented and warped values (smaller is better, skew taken out by a logarithm where
// that helps), and one for the chance that a candidate is feasible. What the acquisition sees; never what the front is made of.
import { orient, type Vector } from "../pareto.ts";
import type { Objective, Outcome } from "../strategy.ts";
import {
  defaultHyperparameters,
  GaussianProcess,
  type Hyperparameters,
  Inputs,
  type Prediction,
} from "./gaussian-process.ts";
import { normalCdf } from "./improvement.ts";

/** Hyperparameters by target (`feasible` beside the objectives' names), and for how many trials they were fitted. */
export interface Fitted {
  readonly hyperparameters: Readonly<Record<string, Hyperparameters>>;
  readonly trials: number;
}

export interface Surrogate {
  readonly fitted: Fitted;
  /** Oriented, warped values of complete trials. */
  readonly measured: readonly Vector[];
  predict(features: readonly number[]): readonly Prediction[];
  /** 1 while nothing was ever infeasible. */
  feasibility(features: readonly number[]): number;
}

/** Hyperparameters are fitted again each time that the trials have grown by this factor. */
const REFIT_GROWTH = 1.1;
const FIRST_STEPS = 40;
const LATER_STEPS = 12;
const FEASIBLE = "feasible";

export interface Sample<C> {
  readonly outcome: Outcome<C>;
  readonly features: readonly number[];
}

/** Learns from complete and infeasible trials; the failed say nothing about a candidate. Null before two are complete. */
export function fitSurrogate<C>(
  samples: readonly Sample<C>[],
  groups: readonly number[],
  objectives: readonly Objective[],
  before: Fitted | null,
): Surrogate | null {
  const complete = samples.filter(({ outcome }) => outcome.state === "complete");
  const judged = samples.filter(({ outcome }) => outcome.state !== "failed");
  if (complete.length < 2) return null;
  const refit = before === null || judged.length >= before.trials * REFIT_GROWTH;
  const hyperparameters: Record<string, Hyperparameters> = {};

  const train = (name: string, inputs: Inputs, targets: readonly number[]): GaussianProcess => {
    const known = before?.hyperparameters[name];
    const steps = known === undefined ? FIRST_STEPS : refit ? LATER_STEPS : 0;
    const process = new GaussianProcess(
      inputs,
      targets,
      known ?? defaultHyperparameters(inputs.groupCount),
      steps,
    );
    hyperparameters[name] = process.hyperparameters;
    return process;
  };

  const inputs = new Inputs(
    complete.map(({ features }) => features),
    groups,
  );
  const vectors = complete.map(({ outcome }) => orient(outcome.metrics, objectives));
  const columns = objectives.map((objective, m) =>
    warp(
      vectors.map((vector) => vector[m]!),
      objective,
    ),
  );
  const processes = columns.map((targets, m) => train(objectives[m]!.name, inputs, targets));
  const anyInfeasible = judged.length > complete.length;
  const gate = anyInfeasible
    ? train(
        FEASIBLE,
        new Inputs(
          judged.map(({ features }) => features),
          groups,
        ),
        judged.map(({ outcome }) => (outcome.state === "complete" ? 1 : -1)),
      )
    : null;
  return {
    fitted: { hyperparameters, trials: refit ? judged.length : before.trials },
    measured: vectors.map((_, index) => columns.map((column) => column[index]!)),
    predict: (features) => processes.map((process) => process.predict(features)),
    feasibility: (features) => {
      if (gate === null) return 1;
      // A regression on the labels, its sign's probability: crude beside a classifier, and closed form.
      const { mean, sd } = gate.predict(features);
      return normalCdf(mean / Math.hypot(sd, 0.3));
    },
  };
}

/** Values standardised, and of positive metrics the logarithm where it is less skewed: monotone, so the front is the same. */
function warp(oriented: readonly number[], objective: Objective): number[] {
  const sign = objective.direction === "min" ? 1 : -1;
  const raw = oriented.map((value) => value * sign);
  const logs = raw.every((value) => value > 0) ? raw.map(Math.log) : raw;
  const chosen = Math.abs(skewness(logs)) < 0.7 * Math.abs(skewness(raw)) ? logs : raw;
  const { mean, sd } = moments(chosen);
  return chosen.map((value) => (sign * (value - mean)) / sd);
}

function moments(values: readonly number[]): { mean: number; sd: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return { mean, sd: sd > 0 ? sd : 1 };
}

function skewness(values: readonly number[]): number {
  const { mean, sd } = moments(values);
  return values.reduce((sum, value) => sum + ((value - mean) / sd) ** 3, 0) / values.length;
}
