// Which metrics a configuration makes, and what its objectives and budgets mean: full names, units, directions.
// `ttftMs@1024` is short for `ttftMs@1024:phone` where the sweep has one device.
import { InvalidInputError } from "../../candidates/errors.ts";
import {
  contextMetricName,
  contextMetrics,
  type MetricKind,
  runMetricName,
  runMetrics,
  staticAtContext,
  staticMetrics,
} from "../../profilers/metrics.ts";
import { compositeName } from "../../profilers/tasks/composite.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import type { Budget } from "../../search/budgets.ts";
import type { Objective } from "../../search/strategy.ts";
import { parseBound, type SweepConfig } from "../config.ts";
import { suggestion } from "../config-errors.ts";

const keys = <K extends string>(table: Record<K, unknown>): K[] => Object.keys(table) as K[];

/** Every metric a sweep of this configuration can produce, by full name. */
export function metricsOf(config: SweepConfig): ReadonlyMap<string, MetricKind> {
  const metrics = new Map<string, MetricKind>();
  const { contexts, devices, batch } = config.measure;
  for (const device of devices) {
    for (const name of keys(contextMetrics)) {
      for (const at of contexts)
        metrics.set(contextMetricName(name, at, device, batch), contextMetrics[name]);
    }
    for (const name of keys(runMetrics)) metrics.set(runMetricName(name, device), runMetrics[name]);
  }
  for (const name of keys(staticMetrics)) {
    if (!staticAtContext.has(name)) metrics.set(name, staticMetrics[name]);
    else for (const at of contexts) metrics.set(`${name}@${at}`, staticMetrics[name]);
  }
  for (const [name, task] of Object.entries(config.score?.tasks ?? {})) {
    for (const score of taskOf(task.task as TaskName).scores) {
      metrics.set(`${name}.${score.name}`, { ...score, description: `${score.name} of ${name}` });
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
    metrics.set(compositeName(name), { unit: "score", direction: "max", description });
  }
  return metrics;
}

function resolve(name: string, known: ReadonlyMap<string, MetricKind>, devices: readonly string[]): string {
  if (known.has(name)) return name;
  const qualified = `${name}:${devices[0]}`;
  if (devices.length === 1 && known.has(qualified)) return qualified;
  const ofDevices = devices.filter((device) => known.has(`${name}:${device}`));
  if (ofDevices.length > 1) {
    throw new InvalidInputError(
      "ambiguous-metric",
      `metric "${name}" needs a device: ${ofDevices.map((device) => `${name}:${device}`).join(" or ")}`,
    );
  }
  const short =
    devices.length === 1 ? [...known.keys()].map((full) => full.replace(`:${devices[0]}`, "")) : [];
  throw new InvalidInputError(
    "unknown-metric",
    `this sweep does not measure "${name}"${suggestion(name, [...known.keys(), ...short])}`,
  );
}

/** Objectives with full names. Throws InvalidInputError (`unknown-metric`, `ambiguous-metric`). */
export function resolveObjectives(config: SweepConfig): readonly Objective[] {
  const known = metricsOf(config);
  const objectives = config.objectives.map(({ metric, direction }) => {
    const name = resolve(metric, known, config.measure.devices);
    const kind = known.get(name)!;
    return { name, direction: direction ?? kind.direction, unit: kind.unit };
  });
  const twice = objectives.find(({ name }, i) => objectives.findIndex((other) => other.name === name) !== i);
  if (twice !== undefined)
    throw new InvalidInputError("bad-config", `objective "${twice.name}" is given twice`);
  return objectives;
}

/** Budgets with full names and bounds as numbers. */
export function resolveBudgets(config: SweepConfig): readonly Budget[] {
  const known = metricsOf(config);
  return config.budgets.map(({ metric, max, min }) => ({
    metric: resolve(metric, known, config.measure.devices),
    ...(max === undefined ? {} : { max: parseBound(max) }),
    ...(min === undefined ? {} : { min: parseBound(min) }),
  }));
}
