// What measuring bought, as a finding: for each device, the fronts that a parameter count, FLOPs or a roofline would have chosen
// among the sweep's own complete trials, judged by what was measured. A proxy stands in for device metrics only.
import { staticCost } from "../../candidates/cost.ts";
import { formatValue } from "../../reports/format.ts";
import { parseMetricName } from "../../reports/metrics.ts";
import type { ReportFinding } from "../../reports/model.ts";
import { orient } from "../../search/pareto.ts";
import { type ProxyChoice, proxyChoice } from "../../search/proxy-choice.ts";
import type { Objective } from "../../search/strategy.ts";
import type { FindingsContext, Point } from "./context.ts";

/** Measured rates of a device: its probe's. */
interface Rates {
  readonly readBandwidthGBs: number;
  readonly int8Gops: number;
}

interface Proxy {
  readonly name: string;
  /** Cost in any unit: only its order counts. */
  cost(point: Point, objective: Objective, rates: Rates, context: FindingsContext): number;
}

const contextOf = (objective: Objective): number => parseMetricName(objective.name).context ?? 0;
const costOf = (point: Point, objective: Objective, { config }: FindingsContext) =>
  staticCost(point.layout, {
    context: contextOf(objective) || Math.max(...config.measure.contexts),
    quantization: config.measure.quantization,
  });
const isPrefill = ({ name }: Objective): boolean => /^(ttft|prefill)/.test(name);
const isMemory = ({ name }: Objective): boolean => name.startsWith("peakBytes");

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
    // The slower of arithmetic and memory at the rates that were measured on the device; memory: what must stay resident.
    name: "roofline",
    cost: (point, objective, rates, context) => {
      const cost = costOf(point, objective, context);
      if (isMemory(objective)) return cost.residentBytes;
      const flops = isPrefill(objective) ? cost.prefillFlops : cost.decodeFlops;
      const bytes = isPrefill(objective) ? cost.residentBytes : cost.decodeBytes;
      return Math.max(flops / (rates.int8Gops * 1e9), bytes / (rates.readBandwidthGBs * 1e9));
    },
  },
];

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** Null where the sweep has no objective of a device, or fewer than three complete trials. */
export function measuringFinding(context: FindingsContext): ReportFinding | null {
  const { objectives, points } = context;
  if (points.length < 3) return null;
  const devices = [...new Set(objectives.flatMap(({ name }) => parseMetricName(name).device ?? []))];
  const rows: { device: string; proxy: string; own: readonly Objective[]; choice: ProxyChoice }[] = [];
  for (const device of devices) {
    const rates = context.rates(device);
    if (rates === null) continue;
    // One device at a time: its objectives and those that need no device.
    const own = objectives.filter(({ name }) => {
      const of = parseMetricName(name).device;
      return of === null || of === device;
    });
    for (const proxy of proxies) {
      const choice = proxyChoice(
        points.map((point) => ({
          measured: orient(point.metrics, own),
          proxied: own.map((objective) =>
            parseMetricName(objective.name).device === null
              ? orient(point.metrics, [objective])[0]!
              : proxy.cost(point, objective, rates, context),
          ),
        })),
      );
      rows.push({ device, proxy: proxy.name, own, choice });
    }
  }
  if (rows.length === 0) return null;
  const best = rows.reduce((a, b) => (b.choice.hypervolumeShare > a.choice.hypervolumeShare ? b : a));
  const worst = rows.reduce((a, b) => (b.choice.hypervolumeShare < a.choice.hypervolumeShare ? b : a));
  const nothing = best.choice.missed === 0;
  const answer = nothing
    ? `Nothing beyond a ${best.proxy} on ${best.device}: choosing by it gives the same front among these ${points.length} layouts.`
    : `Choosing among the same ${points.length} layouts by the best proxy (${best.proxy}, ${best.device}) keeps ${percent(best.choice.hypervolumeShare)} of the ` +
      `hypervolume and misses ${best.choice.missed} of ${best.choice.front} front layouts; by the worst (${worst.proxy}) ${percent(worst.choice.hypervolumeShare)}.`;
  return {
    id: "measuring",
    question: "What did measuring buy?",
    answer,
    table: {
      head: ["Device, chosen by", "Hypervolume kept", "Front missed", "Chosen", "Regret (mean, worst)"],
      rows: rows.map(({ device, proxy, own, choice }) => [
        `${device}, ${proxy}`,
        percent(choice.hypervolumeShare),
        `${choice.missed} of ${choice.front}`,
        String(choice.chosen.length),
        own
          .flatMap(({ name }, m) => {
            const regret = choice.regret[m];
            return parseMetricName(name).device === null || !regret
              ? []
              : [`${parseMetricName(name).base} ${percent(regret.mean)}, ${percent(regret.worst)}`];
          })
          .join("; "),
      ]),
    },
    notes: [
      "Regret: how much slower or larger the best chosen layout is that is not worse elsewhere, over the measured front's layouts. " +
        "All candidates were measured; what a proxy would have proposed in their place is not in these figures.",
      ...devices.flatMap((device) => {
        const rates = context.rates(device);
        return rates === null
          ? []
          : [
              `Roofline of ${device}: ${formatValue(rates.readBandwidthGBs, "GB/s")} read, ${formatValue(rates.int8Gops, "Gop/s")} int8, as probed.`,
            ];
      }),
    ],
  };
}
