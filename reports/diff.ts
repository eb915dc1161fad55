// Compares two sweeps: configuration, devices, front, and metrics of the layouts that both measured. The
// caller decides what exceeds the noise (runner/reading/sweep-diff.ts passes profilers/rerun.ts).
// diff-text.ts writes it as text.
import { frontPoints, readableReason } from "./front.ts";
import { metricLabel } from "./metrics.ts";
import type { ReportData, ReportMetric, ReportObjective, ReportTrial } from "./report-model.ts";

interface ConfigurationChange {
  /** Dotted path. `null` in `before` or `after` means absent on that side. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** A layout that is on one sweep's front only. */
interface FrontChange {
  readonly id: string;
  /** Its number in the sweep on whose front it is. */
  readonly trial: number;
  /** Its outcome in the other sweep. */
  readonly why: string;
}

/** A layout of a front by the objectives that both sweeps have. */
export interface FrontValues {
  readonly id: string;
  /** F1, F2, ... on its sweep's front. */
  readonly label: string;
  readonly trial: number;
  readonly values: readonly (number | null)[];
}

/** One metric over all layouts that both sweeps measured. */
export interface MetricShift {
  readonly layouts: number;
  /** after / before - 1 with its 95% interval; an end may be infinite with few layouts. */
  readonly change: number;
  readonly interval: { readonly low: number; readonly high: number };
  readonly beyondNoise: boolean;
}

/** One layout that changed individually. */
interface OwnChange {
  readonly id: string;
  /** Its numbers in both sweeps. */
  readonly trials: readonly [before: number, after: number];
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  readonly unit: string;
  /** after / before - 1; null if before is 0. */
  readonly change: number | null;
}

export interface DeviceChange {
  readonly name: string;
  /** True if another build of the agent measured. */
  readonly rebuilt: boolean;
  /** after / before - 1 of the calibration run's time; null if it did not run in both sweeps. */
  readonly sentinel: number | null;
}

interface Rerun {
  readonly before: ReportMetric;
  readonly after: ReportMetric;
}

export interface DiffStatistics {
  /** Smallest relative change that counts. */
  readonly effect: number;
  /** Largest chance that an unchanged sweep shows any shift when it runs again. */
  readonly errorRate: number;
  /** Least number of layouts from which the noise between runs is known. */
  readonly minLayouts: number;
  /** Returns, for each metric, the common shift, and the places of layouts that changed individually. */
  judge(
    metrics: readonly (readonly Rerun[])[],
  ): readonly { readonly shift: MetricShift | null; readonly own: readonly number[] }[];
  /** Returns true if two measurements differ by more than their repetitions. */
  apart(a: ReportMetric, b: ReportMetric): boolean;
}

export interface SweepDiff {
  readonly before: string;
  readonly after: string;
  readonly configuration: readonly ConfigurationChange[];
  readonly devices: readonly DeviceChange[];
  readonly front: {
    readonly joined: readonly FrontChange[];
    readonly left: readonly FrontChange[];
    readonly kept: readonly string[];
  };
  readonly fronts: {
    readonly objectives: readonly ReportObjective[];
    readonly before: readonly FrontValues[];
    readonly after: readonly FrontValues[];
  };
  /** Layouts complete in both sweeps that were compared. */
  readonly shared: number;
  /** Layouts complete in both; more than were compared if both sweeps are very large. */
  readonly sharedInAll: number;
  /** Number of values that a layout has in both sweeps. */
  readonly compared: number;
  /** Number of these that are unstable in one of the sweeps and not judged. */
  readonly unstable: number;
  readonly rules: Pick<DiffStatistics, "effect" | "errorRate" | "minLayouts">;
  /**
   * By metric, shifts beyond noise first. `tested`: false if too few layouts would prove a shift even if all
   * moved alike.
   */
  readonly shifts: readonly (MetricShift & { readonly metric: string; readonly tested: boolean })[];
  /** Least number of layouts for testing a metric, with the other metrics. */
  readonly neededLayouts: number;
  /** The largest first. */
  readonly changes: readonly OwnChange[];
}

function flatten(value: unknown, path: string, out: Map<string, string>): Map<string, string> {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    for (const [key, inner] of Object.entries(value))
      flatten(inner, path === "" ? key : `${path}.${key}`, out);
  } else if (value !== undefined) {
    out.set(path, JSON.stringify(value));
  }
  return out;
}

function configurationChanges(before: unknown, after: unknown): ConfigurationChange[] {
  const [a, b] = [flatten(before, "", new Map()), flatten(after, "", new Map())];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .sort()
    .map((path) => ({ path, before: a.get(path) ?? null, after: b.get(path) ?? null }));
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function deviceChanges(before: ReportData, after: ReportData): DeviceChange[] {
  return after.devices.flatMap(({ name, conditions: now }) => {
    const then = before.devices.find((device) => device.name === name)?.conditions;
    if (now === undefined || then === undefined) return [];
    const known = now.sentinelMs.length > 0 && then.sentinelMs.length > 0;
    const sentinel = known ? median(now.sentinelMs) / median(then.sentinelMs) - 1 : null;
    return [{ name, rebuilt: now.agents.join() !== then.agents.join(), sentinel }];
  });
}

/** Returns why a layout of the other sweep's front is not on this one's. */
function absence(id: string, data: ReportData, apart: DiffStatistics["apart"]): string {
  const trial = data.trials.find((one) => one.id === id);
  if (trial === undefined) return `not proposed in ${data.sweep}`;
  if (trial.state === "proposed" || trial.state === "running") return `not finished in ${data.sweep}`;
  if (trial.state !== "complete")
    return `${trial.state === "infeasible" ? "over budget" : trial.state} in ${data.sweep}: ${readableReason(trial, data)}`;
  const better = frontPoints(data).find(({ trial: other }) => dominates(other, trial, data));
  if (better === undefined) return `not on the front of ${data.sweep}`;
  const clear = data.objectives.filter(({ name }) =>
    apart(better.trial.metrics[name]!, trial.metrics[name]!),
  );
  const how =
    clear.length === 0
      ? "within noise"
      : `beyond noise in ${clear.map(({ name }) => metricLabel(name)).join(", ")}`;
  return `dominated in ${data.sweep} by ${better.label} ${better.trial.id.slice(0, 11)}, ${how}`;
}

const dominates = (a: ReportTrial, b: ReportTrial, { objectives }: ReportData): boolean =>
  objectives.every(({ name, direction }) => {
    const [x, y] = [a.metrics[name]?.value, b.metrics[name]?.value];
    return x !== undefined && y !== undefined && (direction === "min" ? x <= y : x >= y);
  });

type Layouts = Pick<OwnChange, "id" | "trials">[];

/** Returns the pairs of each metric, by layout. */
function sharedValues(before: ReportData, after: ReportData) {
  const complete = (data: ReportData) => data.trials.filter(({ state }) => state === "complete");
  const again = new Map(complete(after).map((trial) => [trial.id, trial]));
  const metrics = new Map<string, { readonly layouts: Layouts; readonly reruns: Rerun[] }>();
  let shared = 0;
  for (const { id, number, metrics: values } of complete(before)) {
    const other = again.get(id);
    if (other === undefined) continue;
    shared++;
    for (const [name, value] of Object.entries(values)) {
      const second = other.metrics[name];
      if (second === undefined) continue;
      const known = metrics.get(name) ?? { layouts: [], reruns: [] };
      metrics.set(name, known);
      known.layouts.push({ id, trials: [number, other.number] });
      known.reruns.push({ before: value, after: second });
    }
  }
  return { shared, metrics };
}

function bothFronts(before: ReportData, after: ReportData): SweepDiff["fronts"] {
  const objectives = after.objectives.filter(({ name }) =>
    before.objectives.some((other) => other.name === name),
  );
  const front = (data: ReportData): readonly FrontValues[] =>
    frontPoints(data).map(({ label, trial: { id, number, metrics } }) => ({
      id,
      label,
      trial: number,
      values: objectives.map(({ name }) => metrics[name]?.value ?? null),
    }));
  return { objectives, before: front(before), after: front(after) };
}

/** Compares two sweeps. `sharedInAll`: layouts complete in both, if the data is a selection. */
export function diffSweeps(
  before: ReportData,
  after: ReportData,
  statistics: DiffStatistics,
  sharedInAll = 0,
): SweepDiff {
  const [a, b] = [before, after].map(
    (data) => new Map(frontPoints(data).map(({ trial }) => [trial.id, trial.number])),
  ) as [Map<string, number>, Map<string, number>];
  const { shared, metrics } = sharedValues(before, after);
  const judged = statistics.judge([...metrics.values()].map(({ reruns }) => reruns));
  const found = [...metrics].map(([metric, values], index) => ({ metric, ...values, ...judged[index]! }));
  const changes = found.flatMap(({ metric, layouts, reruns, own }) =>
    own.map((place): OwnChange => {
      const { before: first, after: second } = reruns[place]!;
      const change = first.value === 0 ? null : second.value / first.value - 1;
      const values = { before: first.value, after: second.value, unit: first.unit, change };
      return { ...layouts[place]!, metric, ...values };
    }),
  );
  const size = ({ change }: OwnChange): number =>
    change === null ? Number.POSITIVE_INFINITY : Math.abs(change);
  const { effect, errorRate, minLayouts, apart } = statistics;
  // The smallest p of a sign test of n layouts is 2^(1-n), times the number of metrics.
  const neededLayouts = Math.ceil(1 + Math.log2(Math.max(1, found.length) / errorRate));
  const missing = (
    front: ReadonlyMap<string, number>,
    other: ReadonlyMap<string, number>,
    data: ReportData,
  ) =>
    [...front].flatMap(([id, trial]): FrontChange[] =>
      other.has(id) ? [] : [{ id, trial, why: absence(id, data, apart) }],
    );
  return {
    before: before.sweep,
    after: after.sweep,
    configuration: configurationChanges(before.configuration, after.configuration),
    devices: deviceChanges(before, after),
    front: {
      joined: missing(b, a, before),
      left: missing(a, b, after),
      kept: [...a.keys()].filter((id) => b.has(id)),
    },
    fronts: bothFronts(before, after),
    shared,
    sharedInAll: Math.max(shared, sharedInAll),
    compared: found.reduce((sum, { layouts }) => sum + layouts.length, 0),
    unstable: found
      .flatMap(({ reruns }) => reruns)
      .filter((pair) => !pair.before.stable || !pair.after.stable).length,
    rules: { effect, errorRate, minLayouts },
    neededLayouts,
    shifts: found
      .flatMap(({ metric, shift }) =>
        shift === null
          ? []
          : [{ metric, ...shift, tested: shift.beyondNoise || shift.layouts >= neededLayouts }],
      )
      .sort((x, y) => Number(y.beyondNoise) - Number(x.beyondNoise)),
    changes: changes.sort((x, y) => size(y) - size(x)),
  };
}
