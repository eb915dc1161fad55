// The stored work of a study beyond its sweep: its plan with the power stated before it ran, every training
// run by seed, and the interleaved pairs.
import { z } from "zod";
import type { ComparedPair } from "../../profilers/compare.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";

/** Kinds of the events that a study writes. */
export const STUDY_PLAN = "study-plan";
export const STUDY_PAIR = "study-pair";

export const STUDY_POWER = "study-power";

const chance = z.object({ supposed: z.string(), chance: z.number() });
const powerSchema = z.object({
  power: z.array(z.object({ question: z.string(), true: chance, false: chance })),
  noise: z.string(),
});
/** The chance that each question is decided, and the assumed noise. */
export type StatedPower = z.infer<typeof powerSchema>;

const statedSchema = powerSchema.extend({
  minutes: z.number().nullable(),
  spending: z.array(z.object({ what: z.string(), minutes: z.number() })),
  /** Bytes per token of text tasks, so that scores of single runs are computed like the sweep's. */
  bytesPerToken: z.record(z.string(), z.number()),
});
/** The plan and the power that were stated before a study ran. */
export type Stated = z.infer<typeof statedSchema>;

const values = z.record(z.string(), z.number().positive());
const pairSchema = z.object({
  comparison: z.string(),
  place: z.int().min(0),
  first: z.enum(["a", "b"]),
  a: values,
  b: values,
  seconds: z.number().min(0),
});
export type StudyPair = z.infer<typeof pairSchema>;

/** One training run. */
export interface SeedRun {
  readonly seed: number;
  readonly steps: number;
  /** The run ended because it reached the accuracy at which training stops. */
  readonly solved: boolean;
  /** Scores by name. */
  readonly scores: Readonly<Record<string, number>>;
}

export interface StudyRecord {
  /** The statement before the study; null when no study ran after the sweep. */
  readonly stated: Stated | null;
  /** The power with the noise that was found; null until the study is done. */
  readonly found: StatedPower | null;
  /** Runs by trial number and task. */
  readonly runs: ReadonlyMap<number, ReadonlyMap<string, readonly SeedRun[]>>;
  /** Pairs by label of the comparison, in planned order. */
  readonly pairs: ReadonlyMap<string, readonly ComparedPair[]>;
  /** Minutes of jobs: further seeds, pairs, and everything else. */
  readonly minutes: { readonly sweep: number; readonly seeds: number; readonly pairs: number };
}

export const emptyRecord: StudyRecord = {
  stated: null,
  found: null,
  runs: new Map(),
  pairs: new Map(),
  minutes: { sweep: 0, seeds: 0, pairs: 0 },
};

/** Returns the stored pairs of a study, in the order in which they were timed. */
export function pairsOf(store: Store, sweepId: number): readonly StudyPair[] {
  return store.events(sweepId, STUDY_PAIR).flatMap(({ data }) => {
    const { success, data: pair } = pairSchema.safeParse(data);
    return success ? [pair] : [];
  });
}

/** Returns the minutes that a study's jobs took so far. */
export function minutesOf(store: Store, { id, config }: Sweep): StudyRecord["minutes"] {
  const own = new Set(config.score?.seeds ?? []);
  const tasks = new Set(Object.keys(config.score?.tasks ?? {}));
  const minutes = { sweep: 0, seeds: 0, pairs: 0 };
  for (const { kind, source, nth, rungPercent, minutes: taken } of store.history.durations(id)) {
    const isExtra = kind === "train" && rungPercent === null && tasks.has(source) && !own.has(nth);
    minutes[isExtra ? "seeds" : "sweep"] += taken;
  }
  minutes.pairs = pairsOf(store, id).reduce((sum, { seconds }) => sum + seconds, 0) / 60;
  return minutes;
}

/** Returns null for data that does not fit the schema. */
function parsedOf<T>(schema: z.ZodType<T>, data: unknown): T | null {
  const parsed = schema.safeParse(data);
  return parsed.success ? parsed.data : null;
}

/** Returns the first statement of a sweep; a continued study repeats it. */
export const statedOf = (store: Store, sweepId: number): Stated | null =>
  parsedOf(statedSchema, store.events(sweepId, STUDY_PLAN)[0]?.data);

/** Returns the stored work of a study; parts without data are null or empty. */
export function studyRecordOf(store: Store, sweep: Sweep): StudyRecord {
  const stated = statedOf(store, sweep.id);
  const tasks = Object.entries(sweep.config.score?.tasks ?? {});
  const runs = new Map(
    store.trials.all(sweep.id).map(({ id, number }) => [
      number,
      new Map(
        tasks.map(([name, { task }]) => {
          const bytesPerToken = stated?.bytesPerToken[name] ?? 1;
          const { scores } = taskOf(task as TaskName);
          return [
            name,
            store.jobs.scoresBySeed(id, name).map(
              ({ seed, result }): SeedRun => ({
                seed,
                steps: result.steps,
                solved: result.stopped === "converged",
                scores: Object.fromEntries(
                  scores.map((score) => [score.name, score.from(result, bytesPerToken)]),
                ),
              }),
            ),
          ];
        }),
      ),
    ]),
  );
  const pairs = new Map<string, ComparedPair[]>();
  for (const { comparison, first, a, b } of [...pairsOf(store, sweep.id)].sort((x, y) => x.place - y.place))
    pairs.set(comparison, [...(pairs.get(comparison) ?? []), { first, a, b }]);
  const found = parsedOf(powerSchema, store.events(sweep.id, STUDY_POWER).at(-1)?.data);
  return { stated, found, runs, pairs, minutes: minutesOf(store, sweep) };
}
