// Names the metrics that a configuration produces, and resolves its objectives and budgets to full names,
// units and directions. `ttftMs@1024` is short for `ttftMs@1024:phone` where the sweep has one device.
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Aggregate } from "../../profilers/device-aggregate.ts";
import { type Kind, type MetricKind, metricKinds } from "../../profilers/metrics/kinds.ts";
import {
  metricName,
  onDevice,
  parseMetricName,
  scoreName,
  withoutDevice,
} from "../../profilers/metrics/name.ts";
import { compositeKind, compositeName } from "../../profilers/tasks/composite.ts";
import { scoreUnit } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import type { Budget } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import { parseBound, type SweepConfig } from "../config/config.ts";
import { suggestion } from "../config/config-errors.ts";

/** Returns every metric that a sweep of this configuration can produce, by full name. */
export function metricsOf(config: SweepConfig): ReadonlyMap<string, MetricKind> {
  const metrics = deviceMetricsOf(config);
  for (const { name, direction, unit } of resolveAggregates(config))
    metrics.set(name, { direction, unit, description: "over the devices" });
  return metrics;
}

function deviceMetricsOf(config: SweepConfig): Map<string, MetricKind> {
  const metrics = new Map<string, MetricKind>();
  const { contexts, devices, batch = 1 } = config.measure;
  const table: readonly [string, Kind][] = Object.entries(metricKinds);
  const add = (from: Kind["from"], where: { readonly device?: string; readonly batch?: number }): void => {
    for (const [base, kind] of table.filter(([, one]) => one.from === from))
      for (const context of kind.per === "context" ? contexts : [null])
        metrics.set(metricName({ base, context, ...where }), kind);
  };
  for (const device of devices) add("measured", { device, batch });
  add("counted", {});
  for (const [name, task] of Object.entries(config.score?.tasks ?? {})) {
    for (const score of taskOf(task.task as TaskName).scores) {
      metrics.set(scoreName(name, score.name), {
        ...{ unit: scoreUnit(score), direction: metricKinds[score.name].direction },
        description: `${score.name} of ${name}`,
      });
    }
  }
  for (const [name, components] of Object.entries(config.score?.composite ?? {})) {
    const unknown = components.find(({ metric }) => !metrics.has(metric));
    if (unknown !== undefined) {
      throw new InvalidInputError(
        "unknown-metric",
        `score.composite.${name} names "${unknown.metric}"${suggestion(unknown.metric, [...metrics.keys()])}`,
      );
    }
    const description = `weighted mean of ${components.map(({ metric }) => metric).join(", ")}`;
    metrics.set(compositeName(name), { ...compositeKind, description });
  }
  return metrics;
}

function resolve(name: string, known: ReadonlyMap<string, MetricKind>, devices: readonly string[]): string {
  if (known.has(name)) return name;
  const qualified = onDevice(name, devices[0]!);
  if (devices.length === 1 && known.has(qualified)) return qualified;
  const ofDevices = devices.filter((device) => known.has(onDevice(name, device)));
  if (ofDevices.length > 1) {
    throw new InvalidInputError(
      "ambiguous-metric",
      `metric "${name}" needs a device: ${ofDevices.map((device) => onDevice(name, device)).join(" or ")}; an objective may say over: each, worst or weighted`,
    );
  }
  const short =
    devices.length === 1
      ? [...known.keys()].map((full) =>
          parseMetricName(full).device === devices[0] ? withoutDevice(full) : full,
        )
      : [];
  throw new InvalidInputError(
    "unknown-metric",
    `this sweep does not measure "${name}"${suggestion(name, [...known.keys(), ...short])}`,
  );
}

type ObjectiveConfig = SweepConfig["objectives"][number];

const bad = (message: string): InvalidInputError => new InvalidInputError("bad-config", message);

/** The aggregate that an objective requests; null for a plain metric. */
function aggregateOf(
  { metric, direction, over, weights = {} }: ObjectiveConfig,
  known: ReadonlyMap<string, MetricKind>,
  devices: readonly string[],
): Aggregate | null {
  if (over === undefined || over === "each") {
    if (Object.keys(weights).length > 0)
      throw bad(`objective "${metric}" has weights; say over: worst or over: weighted`);
    return null;
  }
  const stray = Object.keys(weights).find((device) => !devices.includes(device));
  if (stray !== undefined) throw bad(`objective "${metric}" weighs "${stray}"${suggestion(stray, devices)}`);
  const clash = devices.find((device) => device === over);
  if (clash !== undefined) throw bad(`a device is named "${clash}"; rename it to aggregate over devices`);
  const parts = devices.map((device) => ({ metric: onDevice(metric, device), weight: weights[device] ?? 1 }));
  const kind = known.get(parts[0]!.metric);
  if (kind === undefined)
    throw new InvalidInputError(
      "unknown-metric",
      `"${metric}" is not measured on each device; over: needs one that is`,
    );
  return {
    name: onDevice(metric, over),
    kind: over,
    direction: direction ?? kind.direction,
    unit: kind.unit,
    parts,
  };
}

/** Returns the aggregates over devices that the objectives request. */
export function resolveAggregates(config: SweepConfig): readonly Aggregate[] {
  const known = deviceMetricsOf(config);
  return config.objectives.flatMap(
    (objective) => aggregateOf(objective, known, config.measure.devices) ?? [],
  );
}

/**
 * Returns the objectives with full names.
 * @throws InvalidInputError (`unknown-metric`, `ambiguous-metric`, `bad-config`).
 */
export function resolveObjectives(config: SweepConfig): readonly Objective[] {
  const known = metricsOf(config);
  const { devices } = config.measure;
  const objectives = config.objectives.flatMap((objective) => {
    const { metric, direction, over } = objective;
    const aggregate = aggregateOf(objective, known, devices);
    const names =
      over === "each"
        ? devices.map((device) => resolve(onDevice(metric, device), known, devices))
        : [aggregate?.name ?? resolve(metric, known, devices)];
    return names.map((name) => {
      const kind = known.get(name)!;
      return { name, direction: direction ?? kind.direction, unit: kind.unit };
    });
  });
  const twice = objectives.find(({ name }, i) => objectives.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined)
    throw new InvalidInputError("bad-config", `objective "${twice.name}" is given twice`);
  return objectives;
}

/** Returns the budgets with full names, and bounds as numbers. */
export function resolveBudgets(config: SweepConfig): readonly Budget[] {
  const known = metricsOf(config);
  return config.budgets.map(({ metric, max, min }) => ({
    metric: resolve(metric, known, config.measure.devices),
    ...(max === undefined ? {} : { max: parseBound(max) }),
    ...(min === undefined ? {} : { min: parseBound(min) }),
  }));
}
