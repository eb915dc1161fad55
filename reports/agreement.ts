// Tells whether devices agree on which layouts are good: the rank correlation of one metric between two
// devices, and the loss on one device from choosing by the other. Speeds of the devices are not compared.
import { onDevice, parseMetricName, withoutDevice } from "../profilers/metrics/name.ts";
import { kendallTau, tauInterval } from "../profilers/statistics/kendall.ts";
import { directionOf, metricLabel, metricNames } from "./metrics.ts";
import type { ReportData } from "./report-model.ts";

export interface Agreement {
  /** The metric without its device, e.g. `ttftMs@1024`. */
  readonly metric: string;
  readonly label: string;
  readonly devices: readonly [string, string];
  /** Number of layouts compared: those measured on both, thinned evenly above `MAX_LAYOUTS`. */
  readonly n: number;
  /** Kendall's tau-b and its 95% interval; null where the values have no order. */
  readonly tau: { readonly value: number; readonly low: number; readonly high: number } | null;
  /**
   * Relative loss against a device's own best layout: [on the first device, chosen by the second; and the
   * reverse].
   */
  readonly regret: readonly [number, number];
}

/** With fewer layouts, ranks are not informative. */
const MIN_LAYOUTS = 8;
/** The number of pairs grows with the square. Above this, evenly spread layouts represent all. */
const MAX_LAYOUTS = 800;

/**
 * Returns the agreement in every metric that at least two devices measured on enough layouts, for each pair
 * of devices.
 */
export function deviceAgreement(data: ReportData): readonly Agreement[] {
  const byMetric = new Map<string, string[]>();
  // A metric over several devices (their worst) is not a device of its own.
  const known = new Set(data.devices.map(({ name }) => name));
  for (const name of metricNames(data)) {
    const { device } = parseMetricName(name);
    if (device === null || !known.has(device) || directionOf(name, data) === null) continue;
    const metric = withoutDevice(name);
    byMetric.set(metric, [...(byMetric.get(metric) ?? []), device]);
  }
  return [...byMetric].flatMap(([metric, devices]) =>
    devices.flatMap((first, i) =>
      devices.slice(i + 1).flatMap((second): Agreement[] => {
        const names = [onDevice(metric, first), onDevice(metric, second)] as const;
        const both = data.trials.filter((trial) => names.every((name) => trial.metrics[name] !== undefined));
        if (both.length < MIN_LAYOUTS) return [];
        const spread = Math.ceil(both.length / MAX_LAYOUTS);
        const used = both.filter((_, n) => n % spread === 0);
        const [a, b] = names.map((name) => used.map((trial) => trial.metrics[name]!.value)) as [
          number[],
          number[],
        ];
        const sign = directionOf(names[0], data) === "max" ? -1 : 1;
        const best = (values: readonly number[]): number =>
          values.reduce((at, value, n) => (value * sign < values[at]! * sign ? n : at), 0);
        const cost = (values: readonly number[], choice: number): number =>
          Math.abs(values[choice]! / values[best(values)]! - 1);
        const tau = kendallTau(used.map((_, n) => [a[n]!, b[n]!]));
        return [
          {
            metric,
            label: metricLabel(metric),
            devices: [first, second],
            n: used.length,
            tau: tau === null ? null : { value: tau, ...tauInterval(tau, used.length) },
            regret: [cost(a, best(b)), cost(b, best(a))],
          },
        ];
      }),
    ),
  );
}
