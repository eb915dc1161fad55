// Estimates the minutes to evaluate or repeat a layout, from the sweep's own finished jobs alone. A tried
// layout takes as long as before. A new layout takes the prediction of a fitted predictor where that beats
// the median, else the median.
import type { Layout } from "../../candidates/layout.ts";
import { quantile } from "../../profilers/statistics/summary.ts";
import type { Featurizer } from "../../search/features.ts";
import type { Minutes } from "../../search/planning/next-action.ts";
import { fitPredictor, MIN_MEASURED } from "../../search/predictor/predictor.ts";
import type { JobKind } from "../store/job-target.ts";
import type { Trial } from "../store/trial-row.ts";
import type { SweepFacts } from "./sweep-context.ts";

/**
 * A predictor for a device or task is fitted to this many of the latest layouts: the time to fit grows with
 * the cube.
 */
const LOOKED_AT = 60;
const COVERAGE = 0.9;

export interface Costs {
  /** Minutes of a layout that was not tried yet. */
  evaluation(layout: Layout): Minutes;
  /** Minutes of a trial's jobs on these devices, or with one seed of these tasks. */
  repetition(trialId: number, kind: JobKind, sources: readonly string[]): number;
  /** Minutes of all jobs so far, and the part spent on repetitions. */
  readonly spent: Minutes;
  readonly repeated: Minutes;
}

/** Minutes of one device or task for one layout, by trial. */
interface Source {
  readonly ofTrial: ReadonlyMap<number, number>;
  readonly foretell: (layout: Layout) => number;
}

/** Returns a cost model; null while a device or a task has no finished job. */
export function costsOf(
  { store, sweepId, config }: SweepFacts,
  trials: readonly Trial[],
  features: Featurizer<Layout>,
): Costs | null {
  const { devices, contexts } = config.measure;
  const seeds = config.score?.seeds ?? [];
  const tasks = Object.keys(config.score?.tasks ?? {});
  const repetitions = new Set(
    store.repetitions
      .all(sweepId)
      .flatMap(({ trialId, kind, sources, nth }) =>
        sources.map((source) => `${trialId} ${kind} ${source} ${nth}`),
      ),
  );
  const spent = { device: 0, training: 0 };
  const repeated = { device: 0, training: 0 };
  const once = new Map<string, Map<number, number>>();
  for (const { trialId, kind, source: name, nth, done, minutes } of store.history.durations(sweepId)) {
    const resource = kind === "measure" ? "device" : "training";
    spent[resource] += minutes;
    if (repetitions.has(`${trialId} ${kind} ${name} ${nth}`)) {
      repeated[resource] += minutes;
      continue;
    }
    if (!done) continue;
    // Training may be cut into parts, one for each rung. The cost is that of a whole seed.
    const source = `${kind} ${name}`;
    const own = once.get(source) ?? new Map<number, number>();
    own.set(trialId, (own.get(trialId) ?? 0) + minutes / (kind === "train" ? seeds.length : 1));
    once.set(source, own);
  }
  const wanted = [...devices.map((name) => `measure ${name}`), ...tasks.map((name) => `train ${name}`)];
  if (wanted.some((source) => !once.has(source))) return null;
  const layouts = new Map(trials.map(({ id, layout }) => [id, layout]));
  const context = Math.max(...contexts);
  const sources = new Map(
    wanted.map((source) => [source, sourceFrom(once.get(source)!, layouts, features, context)]),
  );
  const total = (kind: JobKind, names: readonly string[], of: (source: Source) => number): number =>
    names.reduce((sum, name) => sum + of(sources.get(`${kind} ${name}`)!), 0);
  return {
    evaluation: (layout) => ({
      device: total("measure", devices, ({ foretell }) => foretell(layout)),
      training: seeds.length * total("train", tasks, ({ foretell }) => foretell(layout)),
    }),
    repetition: (trialId, kind, names) => total(kind, names, ({ ofTrial }) => ofTrial.get(trialId)!),
    spent,
    repeated,
  };
}

function sourceFrom(
  ofTrial: ReadonlyMap<number, number>,
  layouts: ReadonlyMap<number, Layout>,
  features: Featurizer<Layout>,
  context: number,
): Source {
  const known = [...ofTrial]
    .flatMap(([trial, value]) =>
      value > 0 && layouts.has(trial) ? [{ layout: layouts.get(trial)!, value }] : [],
    )
    .slice(-LOOKED_AT);
  const sorted = [...ofTrial.values()].sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  if (known.length < MIN_MEASURED) return { ofTrial, foretell: () => median };
  const { predict, meanError } = fitPredictor(known, { features, context, coverage: COVERAGE });
  const plainError =
    known.reduce((sum, { value }) => sum + Math.abs(median - value) / value, 0) / known.length;
  return { ofTrial, foretell: meanError < plainError ? (layout) => predict(layout).value : () => median };
}
