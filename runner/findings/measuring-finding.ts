// The finding "measuring": for each device, the layouts that a parameter count, FLOPs or a roofline would
// have chosen, compared with measurement. The first sessions choose and the others judge, because a
// measurement that judges itself is always right.
import { staticCost } from "../../candidates/cost.ts";
import type { Phase } from "../../profilers/metrics/kinds.ts";
import { kindOf, parseMetricName } from "../../profilers/metrics/name.ts";
import type { PartialCorrelation } from "../../profilers/statistics/correlation.ts";
import { holm } from "../../profilers/statistics/holm.ts";
import { mean } from "../../profilers/statistics/summary.ts";
import { formatNumber, formatValue } from "../../reports/format.ts";
import { metricLabel } from "../../reports/metrics.ts";
import type { ReportFinding, ReportMetric } from "../../reports/report-model.ts";
import { sampledSessions } from "../../search/noise/estimate.ts";
import { orient, type Vector } from "../../search/pareto.ts";
import { MIN_JUDGED, proxyScores, unexplained } from "../../search/proxy-choice.ts";
import { createRng } from "../../search/rng.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point } from "../reading/findings-context.ts";

/** Rates of a device, measured by its probe. */
interface Rates {
  readonly readBandwidthGBs: number;
  readonly int8Gops: number;
}

interface Proxy {
  readonly name: string;
  /** Cost in any unit; only its order and its growth matter. */
  cost(point: Point, objective: Objective, rates: Rates, context: FindingsContext): number;
}

const contextOf = (objective: Objective): number => parseMetricName(objective.name).context ?? 0;
const costOf = (point: Point, objective: Objective, { config }: FindingsContext) =>
  staticCost(point.layout, {
    context: contextOf(objective) || Math.max(...config.measure.contexts),
    quantization: config.measure.quantization,
  });
function phaseOf({ name }: Objective): Phase | null {
  const kind = kindOf(name);
  return kind?.from === "measured" ? kind.phase : null;
}
const isPrefill = (objective: Objective): boolean => phaseOf(objective) === "prefill";

const proxies: readonly Proxy[] = [
  {
    name: "parameter count",
    cost: (point, objective, _rates, context) => costOf(point, objective, context).parameters,
  },
  {
    name: "FLOPs",
    cost: (point, objective, _rates, context) => {
      const cost = costOf(point, objective, context);
      return isPrefill(objective) ? cost.prefillFlops : cost.decodeFlops;
    },
  },
  {
    // Time: the slower of arithmetic and memory at the device's measured rates. Memory: the resident bytes.
    name: "roofline",
    cost: (point, objective, rates, context) => {
      const cost = costOf(point, objective, context);
      if (phaseOf(objective) === "memory") return cost.residentBytes;
      const flops = isPrefill(objective) ? cost.prefillFlops : cost.decodeFlops;
      const bytes = isPrefill(objective) ? cost.residentBytes : cost.decodeBytes;
      return Math.max(flops / (rates.int8Gops * 1e9), bytes / (rates.readBandwidthGBs * 1e9));
    },
  },
];

/** Largest chance of a false "yes", over all estimates and metrics. */
const ERROR_RATE = 0.05;

/**
 * A device metric of a layout from its first sessions and from its other sessions; logarithms, smaller is
 * better.
 */
interface Halves {
  readonly first: number;
  readonly second: number;
}

function halvesOf(metric: ReportMetric | undefined, { direction }: Objective): Halves | null {
  const sessions = metric === undefined ? null : sampledSessions(metric, "ratio");
  if (sessions === null || sessions.length < 2) return null;
  const middle = Math.ceil(sessions.length / 2);
  const sign = direction === "min" ? 1 : -1;
  const value = (some: readonly (readonly number[])[]): number => sign * mean(some.map(mean));
  return { first: value(sessions.slice(0, middle)), second: value(sessions.slice(middle)) };
}

interface Judged {
  readonly point: Point;
  readonly halves: readonly Halves[];
}

interface Row {
  readonly device: string;
  readonly proxy: string;
  readonly score: number | null;
  readonly tests: readonly { readonly metric: string; readonly found: PartialCorrelation }[];
}

/**
 * Returns the finding; null if the sweep has no objective of a probed device, or fewer than three complete
 * trials.
 */
export function measuringFinding(context: FindingsContext): ReportFinding | null {
  const { objectives, points } = context;
  const devices = [...new Set(objectives.flatMap(({ name }) => parseMetricName(name).device ?? []))].filter(
    (device) => context.rates(device) !== null,
  );
  if (points.length < 3 || devices.length === 0) return null;
  const studies = devices.map((device) => studyOf(device, context));
  const judged = Math.max(...studies.map((study) => study.judged));
  const question = "Was measuring worth it?";
  if (judged < MIN_JUDGED)
    return {
      id: "measuring",
      question,
      answer: `Cannot tell: ${judged === 0 ? "no layout was" : judged === 1 ? "only 1 layout was" : `only ${judged} layouts were`} measured in two sessions, and at least ${MIN_JUDGED} are needed. Repeat more layouts with search.replicate.`,
      notes: [],
    };
  const rows = studies.flatMap((study) => study.rows);
  const tests = rows.flatMap((row) => row.tests.map((test) => ({ ...test, row })));
  const adjusted = holm(tests.map(({ found }) => found.p));
  const bought = tests.filter((_, n) => adjusted[n]! <= ERROR_RATE);
  return {
    id: "measuring",
    question,
    answer: answerOf(bought, tests.length, judged),
    table: {
      head: ["Device, chosen by", "Score", "Agreement of two sessions beyond it"],
      rows: rows.map(({ device, proxy, score, tests: own }) => [
        `${device}, ${proxy}`,
        score === null ? "–" : formatNumber(score, 2),
        own
          .map(
            ({ metric, found }) =>
              `${label(metric)} ${found.correlation.toFixed(2)} (p ${formatNumber(found.p, 2)})`,
          )
          .join("; "),
      ]),
    },
    notes: notesOf(studies, context),
  };
}

const label = (metric: string): string => metricLabel(metric, { device: false }).toLowerCase();

function answerOf(
  bought: readonly { readonly metric: string; readonly row: Row }[],
  tests: number,
  judged: number,
): string {
  if (bought.length === 0)
    return (
      `Not shown, on ${judged} layouts so far: two sessions agree on no metric beyond the estimates below (${tests} tests, none with ` +
      `p at most ${ERROR_RATE} after Holm's adjustment). More layouts or less disturbed sessions may still show it.`
    );
  const by = [...new Set(bought.map(({ row }) => row.proxy))];
  const metrics = [...new Set(bought.map(({ metric }) => label(metric)))];
  return `Yes, beyond ${by.join(", ")}: two sessions of ${judged} layouts agree on differences in ${metrics.join(" and ")} that ${by.length === 1 ? "this estimate does" : "these estimates do"} not explain.`;
}

interface DeviceStudy {
  readonly device: string;
  readonly judged: number;
  readonly count: number;
  readonly permuted: { readonly mean: number; readonly high: number } | null;
  readonly rows: readonly Row[];
}

/** Studies one device: its objectives and those without a device. */
function studyOf(device: string, context: FindingsContext): DeviceStudy {
  const { points, objectives } = context;
  const rates = context.rates(device)!;
  const own = objectives.filter(({ name }) => {
    const of = parseMetricName(name).device;
    return of === null || of === device;
  });
  const measured = own.filter(({ name }) => parseMetricName(name).device === device);
  const judged = points.flatMap((point): Judged[] => {
    const halves = measured.map((objective) => halvesOf(point.raw[objective.name], objective));
    return halves.every((half) => half !== null) ? [{ point, halves }] : [];
  });
  const none = { device, judged: judged.length, count: 0, permuted: null, rows: [] };
  if (judged.length < MIN_JUDGED) return none;
  /** Objectives of a layout: those of the device from `value`, the others unchanged. */
  const vectors = (value: (one: Judged, objective: Objective, m: number) => number): readonly Vector[] =>
    judged.map((one) =>
      own.map((objective) => {
        const m = measured.indexOf(objective);
        return m < 0 ? orient(one.point.metrics, [objective])[0]! : value(one, objective, m);
      }),
    );
  const cost = (proxy: Proxy, one: Judged, objective: Objective): number =>
    Math.log(proxy.cost(one.point, objective, rates, context));
  const [first, second] = [
    vectors((one, _, m) => one.halves[m]!.first),
    vectors((one, _, m) => one.halves[m]!.second),
  ];
  const scores = proxyScores(
    first.map((chooser, n) => ({ chooser, judge: second[n]! })),
    vectors(() => 0),
    proxies.map((proxy) => vectors((one, objective) => cost(proxy, one, objective))),
    createRng(1),
  );
  return {
    device,
    judged: judged.length,
    count: scores.count,
    permuted: scores.permuted,
    rows: proxies.map((proxy, p) => ({
      device,
      proxy: proxy.name,
      score: scores.proxies[p]!.score,
      tests: measured.flatMap((objective, m) => {
        const found = unexplained(
          judged.map(({ halves }) => halves[m]!.first),
          judged.map(({ halves }) => halves[m]!.second),
          judged.map((one) => cost(proxy, one, objective)),
        );
        return found === null ? [] : [{ metric: objective.name, found }];
      }),
    })),
  };
}

function notesOf(studies: readonly DeviceStudy[], context: FindingsContext): readonly string[] {
  return [
    "Score: hypervolume of the chosen layouts, judged by sessions that did not choose. 0 is a random choice, 1 is a choice by measurement. " +
      "Each estimate chooses as many layouts as the measured front has.",
    "The answer rests on the correlation between two sessions that an estimate leaves unexplained, adjusted for all estimates and metrics (Holm).",
    ...studies.flatMap(({ device, count, permuted, judged }) => {
      const rates = context.rates(device)!;
      return [
        ...(permuted === null
          ? [
              `On ${device} a choice by measurement is no better than a random choice, so there are no scores.`,
            ]
          : [
              `On ${device}: ${count} of ${judged} layouts are chosen. Shuffled times score ${formatNumber(permuted.mean, 2)} on average, and above ${formatNumber(permuted.high, 2)} in 5% of draws.`,
            ]),
        `Roofline of ${device}, from its probe: ${formatValue(rates.readBandwidthGBs, "GB/s")} read, ${formatValue(rates.int8Gops, "Gop/s")} int8.`,
      ];
    }),
  ];
}
