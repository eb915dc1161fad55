// The endpoints of a study's training runs: for each quality objective the losses of every layout, for the
// seeds that all layouts share.

import { scoreOf, taskOfScore } from "../../profilers/metrics/name.ts";
import { unitOf } from "../../profilers/metrics/units.ts";
import type { Objective } from "../../search/strategy.ts";
import type { SweepConfig } from "../config/config.ts";
import type { SeedRun, StudyRecord } from "../reading/study-record.ts";
import type { Endpoint } from "./decide/endpoint.ts";
import { MIN_SEEDS } from "./decide/margins.ts";

/** Layouts of the study that have a trial. */
interface Trained {
  readonly label: string;
  readonly number: number;
}

/** Returns the runs of the shared seeds by label; labels with too few seeds are left out. */
function alignedRuns(
  trained: readonly Trained[],
  task: string,
  record: StudyRecord,
): ReadonlyMap<string, readonly SeedRun[]> {
  const all = trained.map(({ label, number }) => [label, record.runs.get(number)?.get(task) ?? []] as const);
  const several = all.filter(([, runs]) => runs.length >= MIN_SEEDS);
  const kept = several.length > 0 ? several : all.filter(([, runs]) => runs.length > 0);
  const has = (runs: readonly SeedRun[], seed: number): boolean => runs.some((run) => run.seed === seed);
  const common = new Set(
    (kept[0]?.[1] ?? []).map(({ seed }) => seed).filter((seed) => kept.every(([, runs]) => has(runs, seed))),
  );
  return new Map(kept.map(([label, runs]) => [label, runs.filter(({ seed }) => common.has(seed))]));
}

/** Returns one endpoint for each quality objective whose task is trained. */
export function endpointsOf(
  trained: readonly Trained[],
  qualities: readonly Objective[],
  { score }: SweepConfig,
  record: StudyRecord,
): readonly Endpoint[] {
  return qualities.flatMap(({ name, unit, direction }): Endpoint[] => {
    const task = taskOfScore(name)!;
    const training = score?.tasks[task]?.training;
    if (training === undefined) return [];
    const runs = alignedRuns(trained, task, record);
    const bySteps = unitOf(unit).isShare === true && training.stop?.accuracy !== undefined;
    const lossOf = ({ steps, solved, scores }: SeedRun): number =>
      bySteps
        ? Math.log(solved ? Math.min(steps, training.steps - 1) : training.steps)
        : (direction === "max" ? -1 : 1) * scores[scoreOf(name)!]!;
    return [
      {
        task,
        kind: bySteps ? "steps" : "score",
        recalls: unitOf(unit).isShare === true,
        losses: new Map([...runs].map(([label, own]) => [label, own.map(lossOf)])),
        worst: bySteps ? Math.log(training.steps) : null,
      },
    ];
  });
}
