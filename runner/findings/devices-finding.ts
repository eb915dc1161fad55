// The finding "devices": do the devices of a sweep rank the layouts alike? Kendall's tau of each device
// metric for each pair of devices. A tau near 1 means that one of the two devices would have been enough for
// that metric.
import { kindOf, onDevice, parseMetricName, withoutDevice } from "../../profilers/metrics/name.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { createRng } from "../../search/rng.ts";
import type { FindingsContext, Point } from "../reading/findings-context.ts";

/** The fewest common layouts: fewer show no order. */
const MIN_LAYOUTS = 4;
/** Below this tau, the order on one device says little about the other. */
const ALIKE = 0.8;

/** Loading is left out: it reads a file and says little about a layout. */
function isCompared(name: string): boolean {
  const kind = kindOf(name);
  return kind?.from === "measured" && kind.phase !== "load";
}

/** Returns the values on two devices of the layouts that are stable on both. */
const pairsOf = (points: readonly Point[], left: string, right: string): [number, number][] =>
  points.flatMap(({ raw }) => {
    const [a, b] = [raw[left], raw[right]];
    return a?.stable && b?.stable ? [[a.value, b.value] as [number, number]] : [];
  });

/** Returns the finding; null for a sweep with one device, or before enough layouts are measured. */
export function devicesFinding({ config, measured, objectives }: FindingsContext): ReportFinding | null {
  const { devices } = config.measure;
  if (devices.length < 2) return null;
  // Aggregates have no device; their parts are compared instead.
  const names = [...new Set(measured.flatMap(({ metrics }) => Object.keys(metrics)))].filter(isCompared);
  const bases = [
    ...new Set(
      names.filter((name) => devices.includes(parseMetricName(name).device ?? "")).map(withoutDevice),
    ),
  ];
  const wanted = new Set(objectives.map(({ name }) => withoutDevice(name)));
  const rows = bases
    .sort((a, b) => Number(wanted.has(b)) - Number(wanted.has(a)) || (a < b ? -1 : 1))
    .flatMap((base) =>
      devices.flatMap((left, i) =>
        devices.slice(i + 1).flatMap((right) => {
          const pairs = pairsOf(measured, onDevice(base, left), onDevice(base, right));
          const found = pairs.length < MIN_LAYOUTS ? null : agreement(pairs, createRng(1));
          return found === null ? [] : [{ base, left, right, ...found }];
        }),
      ),
    );
  if (rows.length === 0) return null;
  const judged = rows.filter(({ base }) => wanted.has(base));
  const shown = judged.length > 0 ? judged : rows;
  const least = shown.reduce((a, b) => (b.tau < a.tau ? b : a));
  const interval = (low: number, high: number): string => `${low.toFixed(2)} to ${high.toFixed(2)}`;
  const where = `${metricLabel(least.base)} between ${least.left} and ${least.right}`;
  const tau = `Kendall's tau ${least.tau.toFixed(2)}${least.interval === null ? "" : `, 95% interval ${interval(least.interval.low, least.interval.high)}`}`;
  return {
    id: "devices",
    question: "Do the devices rank the layouts alike?",
    answer:
      least.tau >= ALIKE
        ? `Yes. The lowest agreement is on ${where} (${tau}).`
        : `Not for every metric. The lowest agreement is on ${where} (${tau}), so the best layout on one may not be the best on the other.`,
    table: {
      head: ["Metric", "Devices", "Kendall's tau", "95% interval", "Layouts"],
      rows: rows.map(({ base, left, right, tau: value, interval: ends, n }) => [
        metricLabel(base),
        `${left}, ${right}`,
        value.toFixed(2),
        ends === null ? "–" : interval(ends.low, ends.high),
        String(n),
      ]),
    },
    notes: [
      "Tau is 1 for the same order, 0 for no common order and -1 for the reversed order. Only layouts with stable values on both devices count. The interval (BCa) is over the choice of layouts.",
    ],
  };
}
