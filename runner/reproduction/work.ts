// Runs the work of a study after its sweep: further seeds in blocks, then interleaved pairs, each within its
// part of the time budget. After Ctrl-C the same call continues.
import { type Layout, layoutId } from "../../candidates/layout.ts";
import type { Designed } from "../../search/designs/minimal-hybrid.ts";
import type { SweepConfig } from "../config/config.ts";
import type { Listener } from "../farm/events.ts";
import { deviceNamed } from "../farm/known.ts";
import { minutesOf, STUDY_PLAN, type Stated } from "../reading/study-record.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import type { Trial } from "../store/trial-row.ts";
import { withWorker } from "../sweep/solo.ts";
import { awaitIdle, keepOwning } from "../sweep/sweep-ownership.ts";
import { laneDevice, laneOf } from "../training/trainers/trainer-registry.ts";
import { type PreparedTask, prepareTask } from "../training/training-data.ts";
import { timePairs } from "./pairs-work.ts";
import { trainBlocks } from "./seeds-work.ts";
import { endOf, quickCosts, SEED_SHARE, type StudyPlan } from "./study-plan.ts";

export interface StudyWork {
  readonly store: Store;
  readonly sweep: Sweep;
  readonly plan: StudyPlan;
  readonly design: readonly Designed[];
  /** The configuration as its file has it: the stored one lacks the paths that tasks read. */
  readonly config: SweepConfig;
  /** Folder for relative paths of the configuration. */
  readonly folder: string;
  readonly stated: Omit<Stated, "bytesPerToken">;
  readonly signal: AbortSignal;
  /** Fail instead of waiting if another process uses a device. */
  readonly noWait?: boolean;
  readonly listen: Listener;
  readonly say: (text: string) => void;
}

/**
 * Runs the work of a study, and owns its sweep meanwhile.
 * @throws InvalidInputError (`sweep-running`) if another process runs the sweep.
 */
export async function runStudyWork(work: StudyWork): Promise<void> {
  const { store, sweep, config, stated } = work;
  store.sweeps.claim(sweep, await awaitIdle(store, sweep, work.signal, work.listen));
  const taken = new AbortController();
  const stopOwning = keepOwning(store, sweep, (error) => taken.abort(error));
  const own = { ...work, signal: AbortSignal.any([work.signal, taken.signal]) };
  try {
    const { score } = config;
    const tasks = await Promise.all(
      Object.entries(score?.tasks ?? {}).map(([name, task]) =>
        prepareTask(name, task, config.seed, work.folder),
      ),
    );
    const bytesPerToken = Object.fromEntries(tasks.map((task) => [task.name, task.bytesPerToken]));
    store.log(STUDY_PLAN, { ...stated, bytesPerToken } satisfies Stated, { sweepId: sweep.id });
    await moreSeeds(own, tasks);
    await pairs(own);
  } finally {
    stopOwning();
    store.sweeps.release(sweep.id);
  }
}

/** Returns the minutes left for seeds or pairs. The clock alone ends them, never their results. */
function leftTo(what: "seeds" | "pairs", { store, sweep, plan }: StudyWork): number {
  if (plan.minutes === null) return Number.POSITIVE_INFINITY;
  const spent = minutesOf(store, sweep);
  const left = plan.minutes - spent.sweep - quickCosts.confirm / 60;
  return what === "seeds" ? SEED_SHARE * left - spent.seeds : left - spent.seeds - spent.pairs;
}

async function moreSeeds(work: StudyWork, tasks: readonly PreparedTask[]): Promise<void> {
  const { store, plan, signal, say } = work;
  const { score } = work.config;
  if (score === undefined || tasks.length === 0) return;
  const trials = blockedTrials(work);
  const last = Math.max(...score.seeds);
  const further = (seeds: number): number => Math.max(0, seeds - score.seeds.length);
  const seeds = Array.from({ length: further(endOf(plan).seeds) }, (_, n) => last + 1 + n);
  const planned = further(plan.seeds);
  if (trials.length === 0 || planned === 0) return;
  const lane = laneOf(score.trainer);
  const fits = (minutes: number): boolean => minutes <= leftTo("seeds", work) && leftTo("seeds", work) > 0;
  await withWorker(
    store,
    laneDevice(store, lane),
    signal,
    async (worker) => {
      const done = await trainBlocks(worker, { store, score, trials, tasks, seeds, say }, fits);
      if (done < planned) say(`time budget reached: trained ${done} of ${planned} planned further seeds`);
    },
    { program: lane.program, noWait: work.noWait ?? false },
  );
}

/** Returns the trials of the layouts that every seed trains. */
function blockedTrials({ store, sweep, plan, design }: StudyWork): readonly Trial[] {
  const complete = new Map(
    store.trials
      .all(sweep.id)
      .filter(({ state }) => state === "complete")
      .map((trial) => [trial.candidateId, trial]),
  );
  return design
    .filter(({ label }) => plan.blocked.includes(label))
    .flatMap(({ layout }) => complete.get(layoutId(layout)) ?? []);
}

async function pairs(work: StudyWork): Promise<void> {
  const { store, sweep, plan, design, signal, listen, say } = work;
  if (plan.pairs === 0) return;
  const layouts = new Map<string, Layout>(design.map(({ label, layout }) => [label, layout]));
  const device = deviceNamed(store, sweep.config.measure.devices[0]!);
  await withWorker(store, device, signal, (worker) =>
    timePairs(
      worker,
      {
        ...{ store, sweep, listen, say },
        comparisons: plan.comparisons,
        pairs: endOf(plan).pairs,
        layoutOf: (label) => layouts.get(label)!,
      },
      (minutes) => minutes <= leftTo("pairs", work) && leftTo("pairs", work) > 0,
    ),
  );
}
