// One Gaussian process for each objective (or for its logarithm where that is less skewed), and one for the
// chance that a candidate is feasible. Only the acquisition uses them. The front is made of measurements
// alone.
import { unitOf } from "../../profilers/metrics/units.ts";
import { normalCdf } from "../../profilers/statistics/normal.ts";
import { orient, type Vector } from "../pareto.ts";
import type { Objective, Outcome } from "../strategy.ts";
import { defaultHyperparameters, GaussianProcess, type Hyperparameters, Inputs } from "./gaussian-process.ts";
import { boundedBelow, gaussian, logNormal, type Marginal } from "./improvement.ts";

/**
 * Hyperparameters by target (`feasible` beside the objectives' names), and the number of trials they were
 * fitted to.
 */
export interface Fitted {
  readonly hyperparameters: Readonly<Record<string, Hyperparameters>>;
  readonly trials: number;
}

export interface Surrogate {
  readonly fitted: Fitted;
  /** Oriented values of the complete trials. */
  readonly measured: readonly Vector[];
  predict(features: readonly number[]): readonly Marginal[];
  /** Chance that a candidate is feasible; 1 while no trial was infeasible. */
  feasibility(features: readonly number[]): number;
}

/** Hyperparameters are fitted again each time the number of trials has grown by this factor. */
const REFIT_GROWTH = 1.1;
const FIRST_STEPS = 40;
const LATER_STEPS = 12;
/** A logarithm is used only if the smallest value exceeds this share of the largest. */
const NEAR_ZERO = 1e-3;
/** A logarithm is used only if its skewness is below this share of the skewness of the values. */
const LESS_SKEWED = 0.7;
const FEASIBLE = "feasible";

export interface Sample<C> {
  readonly outcome: Outcome<C>;
  readonly features: readonly number[];
}

/**
 * Fits the surrogate to complete and infeasible trials, and to trials that ran out of memory or time. Other
 * failures carry no information about a candidate. Null before two trials are complete.
 */
export function fitSurrogate<C>(
  samples: readonly Sample<C>[],
  groups: readonly number[],
  objectives: readonly Objective[],
  before: Fitted | null,
): Surrogate | null {
  const complete = samples.filter(({ outcome }) => outcome.state === "complete");
  const judged = samples.filter(({ outcome }) => outcome.state !== "failed" || outcome.ranOut === true);
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
  const models = objectives.map(({ name, direction, unit }) => {
    const values = complete.map(({ outcome }) => outcome.metrics[name]!);
    const least = Math.min(...values);
    // Logarithms of values next to zero are unbounded, so they cannot be learned.
    const logs = least > NEAR_ZERO * Math.max(...values) ? values.map(Math.log) : values;
    const logarithmic = Math.abs(skewness(logs)) < LESS_SKEWED * Math.abs(skewness(values));
    // A metric that was never negative is assumed to have a minimum of 0, and a fraction a maximum of 1.
    // Uncertainty beyond such a bound would draw every search to places without any possible gain.
    const best = direction === "max" ? (unitOf(unit).isShare ? -1 : null) : least >= 0 ? 0 : null;
    const process = train(name, inputs, logarithmic ? logs : values);
    return (features: readonly number[]): Marginal => {
      const { mean, sd } = process.predict(features);
      if (logarithmic) return logNormal(mean, sd, direction);
      const belief = gaussian(direction === "min" ? mean : -mean, sd);
      return best === null ? belief : boundedBelow(belief, best);
    };
  });
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
    measured: complete.map(({ outcome }) => orient(outcome.metrics, objectives)),
    predict: (features) => models.map((marginal) => marginal(features)),
    feasibility: (features) => {
      if (gate === null) return 1;
      // A regression on the labels; feasibility is the probability of its sign. Cruder than a classifier, but
      // in closed form.
      const { mean, sd } = gate.predict(features);
      return normalCdf(mean / Math.hypot(sd, 0.3));
    },
  };
}

function skewness(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) || 1;
  return values.reduce((sum, value) => sum + ((value - mean) / sd) ** 3, 0) / values.length;
}
