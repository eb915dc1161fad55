// What changed between two sweeps: configuration, front, and metrics of the layouts both measured, told apart from noise by
// the rule that two values differ only where their raw samples do not overlap and the change is at least 2%.

import { formatValue } from "./format.ts";
import { frontPoints } from "./front.ts";
import { metricLabel, sampleRange } from "./metrics.ts";
import type { ReportData, ReportMetric, ReportTrial } from "./model.ts";
import { plain } from "./text.ts";

/** Smallest relative change that counts. */
const EFFECT = 0.02;

interface ConfigurationChange {
  /** Dotted path; `null` stands for absent on that side. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}
interface MetricChange {
  readonly id: string;
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  readonly unit: string;
  /** after / before - 1. */
  readonly change: number;
}
export interface SweepDiff {
  readonly before: string;
  readonly after: string;
  readonly configuration: readonly ConfigurationChange[];
  /** Layout ids. */
  readonly front: {
    readonly joined: readonly string[];
    readonly left: readonly string[];
    readonly kept: readonly string[];
  };
  /** Layouts complete in both sweeps. */
  readonly shared: number;
  readonly compared: number;
  readonly changes: readonly MetricChange[];
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

/** Beyond noise: computed values when unequal at all, measured ones by their samples, never unstable ones. */
function differs(a: ReportMetric, b: ReportMetric): boolean {
  const [x, y] = [sampleRange(a), sampleRange(b)];
  if (x === null || y === null) return a.value !== b.value;
  const apart = x.low > y.high || y.low > x.high;
  return a.stable && b.stable && apart && Math.abs(b.value - a.value) >= EFFECT * Math.abs(a.value);
}

export function diffSweeps(before: ReportData, after: ReportData): SweepDiff {
  const [a, b] = [before, after].map((data) => frontPoints(data).map(({ trial }) => trial.id)) as [
    string[],
    string[],
  ];
  const complete = (data: ReportData): Map<string, ReportTrial> =>
    new Map(data.trials.filter((trial) => trial.state === "complete").map((trial) => [trial.id, trial]));
  const [left, right] = [complete(before), complete(after)];
  const changes: MetricChange[] = [];
  let shared = 0;
  let compared = 0;
  for (const [id, trial] of left) {
    const other = right.get(id);
    if (other === undefined) continue;
    shared++;
    for (const [metric, value] of Object.entries(trial.metrics)) {
      const again = other.metrics[metric];
      if (again === undefined) continue;
      compared++;
      if (!differs(value, again)) continue;
      const change = again.value / value.value - 1;
      changes.push({ id, metric, before: value.value, after: again.value, unit: value.unit, change });
    }
  }
  changes.sort((x, y) => Math.abs(y.change) - Math.abs(x.change));
  return {
    before: before.sweep,
    after: after.sweep,
    configuration: configurationChanges(before.configuration, after.configuration),
    front: {
      joined: b.filter((id) => !a.includes(id)),
      left: a.filter((id) => !b.includes(id)),
      kept: a.filter((id) => b.includes(id)),
    },
    shared,
    compared,
    changes,
  };
}

/** The diff as plain text; `limit` metric changes at most, the largest first. */
export function renderDiff(diff: SweepDiff, limit = 40): string {
  const out = [`${plain(diff.before)} -> ${plain(diff.after)}`, ""];
  out.push(diff.configuration.length === 0 ? "Configuration: the same." : "Configuration:");
  for (const { path, before, after } of diff.configuration)
    out.push(`  ${plain(path)}: ${plain(before ?? "absent")} -> ${plain(after ?? "absent")}`);
  const { joined, left, kept } = diff.front;
  out.push("", `Front: ${kept.length} kept, ${joined.length} joined, ${left.length} left.`);
  for (const id of joined) out.push(`  + ${plain(id)}`);
  for (const id of left) out.push(`  - ${plain(id)}`);
  out.push(
    "",
    `Metrics: ${diff.shared} layouts complete in both, ${diff.compared} values compared, ${diff.changes.length} changed beyond noise ` +
      `(raw samples apart, and at least ${EFFECT * 100}%).`,
  );
  for (const { id, metric, before, after, unit, change } of diff.changes.slice(0, limit)) {
    const percent = `${change > 0 ? "+" : ""}${(change * 100).toFixed(1)}%`;
    out.push(
      `  ${plain(id)} ${plain(metricLabel(metric))}: ${formatValue(before, unit)} -> ${formatValue(after, unit)} (${percent})`,
    );
  }
  if (diff.changes.length > limit) out.push(`  and ${diff.changes.length - limit} more (--json lists all)`);
  return `${out.join("\n")}\n`;
}
