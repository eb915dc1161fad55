// Whether devices agree on which layouts are good: rank correlation of one metric between two devices, and what choosing by the
// one would cost on the other. Says nothing about how fast either is.
import { directionOf, metricLabel, metricNames, parseMetricName } from "./metrics.ts";
import type { ReportData } from "./model.ts";

export interface Agreement {
  /** The metric without its device, e.g. `ttftMs@1024`. */
  readonly metric: string;
  readonly label: string;
  readonly devices: readonly [string, string];
  /** Layouts measured on both. */
  readonly n: number;
  /** Kendall's tau-b, and its 95% interval; null where the ranks say nothing. */
  readonly tau: { readonly value: number; readonly low: number; readonly high: number } | null;
  /** How much worse than that device's own best the other's best is: [on the first, chosen by the second; and the reverse]. */
  readonly regret: readonly [number, number];
}

/** Fewer layouts than this rank nothing. */
const MIN_LAYOUTS = 8;
/** Pairs grow with the square; beyond this, evenly spread layouts stand for all. */
const MAX_LAYOUTS = 800;

/** Kendall's tau-b (Kendall, 1945), ties counted; null where a side is all ties. O(n^2). */
export function kendallTau(a: readonly number[], b: readonly number[]): number | null {
  let [agree, tiesA, tiesB, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++)
    for (let j = 0; j < i; j++) {
      const [x, y] = [Math.sign(a[i]! - a[j]!), Math.sign(b[i]! - b[j]!)];
      pairs++;
      agree += x * y;
      if (x === 0) tiesA++;
      if (y === 0) tiesB++;
    }
  const scale = Math.sqrt((pairs - tiesA) * (pairs - tiesB));
  return scale > 0 ? agree / scale : null;
}

/** 95% interval by Fisher's transformation; standard error of Fieller, Hartley and Pearson (1957). */
function interval(tau: number, n: number): { value: number; low: number; high: number } {
  const z = Math.atanh(Math.max(-0.9999, Math.min(0.9999, tau)));
  const reach = 1.96 * Math.sqrt(0.437 / (n - 4));
  return { value: tau, low: Math.tanh(z - reach), high: Math.tanh(z + reach) };
}

/** Every metric that two devices or more measured on enough layouts, for each pair of devices. */
export function deviceAgreement(data: ReportData): readonly Agreement[] {
  const byMetric = new Map<string, string[]>();
  // What is taken over several devices (their worst) is no device of its own.
  const known = new Set(data.devices.map(({ name }) => name));
  for (const name of metricNames(data)) {
    const { device } = parseMetricName(name);
    if (device === null || !known.has(device) || directionOf(name, data) === null) continue;
    const metric = name.slice(0, -device.length - 1);
    byMetric.set(metric, [...(byMetric.get(metric) ?? []), device]);
  }
  return [...byMetric].flatMap(([metric, devices]) =>
    devices.flatMap((first, i) =>
      devices.slice(i + 1).flatMap((second): Agreement[] => {
        const names = [`${metric}:${first}`, `${metric}:${second}`] as const;
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
        const tau = kendallTau(a, b);
        return [
          {
            metric,
            label: metricLabel(metric),
            devices: [first, second],
            n: used.length,
            tau: tau === null ? null : interval(tau, used.length),
            regret: [cost(a, best(b)), cost(b, best(a))],
          },
        ];
      }),
    ),
  );
}
