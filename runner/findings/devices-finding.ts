// Do the devices of a sweep rank the layouts alike? Kendall's tau of each device metric between each two devices: near 1, measuring
// on one of them would have been enough for that metric.
import { kindOf, onDevice, parseMetricName, withoutDevice } from "../../profilers/metrics/name.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { createRng } from "../../search/rng.ts";
import type { FindingsContext, Point } from "../reading/findings-context.ts";

/** Fewer layouts measured on both say nothing. */
const MIN_LAYOUTS = 4;
/** Below this the order of two layouts on one device says little about the other. */
const ALIKE = 0.8;

/** Loading reads a file: it says little about a layout. */
function isCompared(name: string): boolean {
  const kind = kindOf(name);
  return kind?.from === "measured" && kind.phase !== "load";
}

/** Values on two devices of the layouts that both measured steadily. */
const pairsOf = (points: readonly Point[], left: string, right: string): [number, number][] =>
  points.flatMap(({ raw }) => {
    const [a, b] = [raw[left], raw[right]];
    return a?.stable && b?.stable ? [[a.value, b.value] as [number, number]] : [];
  });

/** Null for a sweep of one device, or before enough was measured. */
export function devicesFinding({ config, measured, objectives }: FindingsContext): ReportFinding | null {
  const { devices } = config.measure;
  if (devices.length < 2) return null;
  // Aggregates have no device: what they are made of is compared.
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
        ? `Yes: they agree least on ${where} (${tau}).`
        : `Not on everything: they agree least on ${where} (${tau}), so what is best on one need not be on the other.`,
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
      "1: the same order, 0: no order in common, -1: reversed. Layouts that both devices measured steadily; the interval (BCa) is over which layouts those happened to be.",
    ],
  };
}
