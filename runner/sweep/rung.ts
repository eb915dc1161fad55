// Early stopping of training by the sweep's own objectives: half-trained layouts are compared at a rung with those of earlier batches, so
// that neither the order of the jobs nor a kill changes a verdict. Looks at the loss and the stop itself are the trainer's (its stop rule).
import { InvalidInputError } from "../../candidates/errors.ts";
import { orient } from "../../search/pareto.ts";
import { hopelessAbove } from "../../search/screening/rung.ts";
import type { SweepConfig, TaskConfig } from "../config.ts";
import type { Trial, TrialEnd } from "../store/trials.ts";
import type { EvaluateContext } from "./evaluate.ts";
import { outcomeOf } from "./outcomes.ts";
import type { PreparedTask } from "./training-data.ts";

/** Scores of tasks, and what is made of them. */
const isScore = (name: string): boolean => /^[^@:.]+\./.test(name);
const rungStep = ({ training }: TaskConfig, at: number): number =>
  Math.max(1, Math.round(training.steps * at));

/** Throws InvalidInputError where a rung and the rest of the configuration do not go together. */
export function checkRung({ search, score }: SweepConfig): void {
  if (search.rung === undefined) return;
  const own = Object.entries(score?.tasks ?? {}).find(([, { training }]) => training.stop !== undefined);
  const why =
    score === undefined
      ? "search.rung ends training early, and nothing is trained; leave it out, or add score"
      : score.trainer.backend !== "native"
        ? "search.rung needs the native trainer; leave it out, or set score.trainer: native"
        : Object.keys(score.tasks).length > 1
          ? "search.rung compares layouts by one task, and there are several; leave it out, or keep one task"
          : own !== undefined
            ? `search.rung and score.tasks.${own[0]}.training.stop both end training early; leave out one`
            : null;
  if (why !== null) throw new InvalidInputError("bad-config", why);
}

/** The task with the stop rule that the rung asks for; the task itself without `search.rung`. */
export function withRung(
  task: PreparedTask,
  trial: Trial,
  seed: number,
  context: EvaluateContext,
): PreparedTask {
  const { store, config, objectives, sweepId } = context;
  const { rung } = config.search;
  if (rung === undefined) return task;
  const { training } = task.config;
  const every = rungStep(task.config, rung.at);
  const others = objectives.filter(({ name }) => !isScore(name));
  const peers = store.jobs
    .earlierScores(sweepId, trial.batch, task.name, seed)
    .flatMap(({ trialId, result }) => {
      const look = result.looks.find(([step]) => step === every);
      const values = Object.fromEntries(
        store.trials.metrics(trialId).map(({ name, value }) => [name, value]),
      );
      return look === undefined ? [] : [{ others: orient(values, others), loss: look[1] }];
    });
  const own = orient(outcomeOf(store, trial).metrics, others);
  const hopelessLoss = hopelessAbove(own, peers, rung.dominatedBy);
  const stop = {
    every,
    improvement: 0,
    ...(hopelessLoss === null ? {} : { hopelessStep: every, hopelessLoss }),
  };
  return { ...task, config: { ...task.config, training: { ...training, stop } } };
}

/** The end of a trial that was stopped at a rung; null where it was trained whole. */
export function stoppedAtRung(
  trial: Trial,
  task: PreparedTask,
  { store, config }: EvaluateContext,
): TrialEnd | null {
  const { rung } = config.search;
  if (rung === undefined) return null;
  const result = store.jobs.scores(trial.id, task.name).find(({ stopped }) => stopped === "hopeless");
  if (result === undefined) return null;
  const loss = result.looks.at(-1)![1].toPrecision(4);
  return {
    state: "stopped",
    cause: "rung",
    reason: `training of ${task.name} ended at step ${result.steps} of ${task.config.training.steps} with loss ${loss}: ${rung.dominatedBy} earlier layouts were no worse in anything`,
  };
}
