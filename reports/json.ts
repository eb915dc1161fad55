// Machine-readable forms: the front as `front --json` prints it, and the whole report. Numbers are plain, units stand beside.
import { frontPoints } from "./front.ts";
import { sampleRange } from "./metrics.ts";
import type { FrontData, ReportData, ReportMetric, ReportObjective, ReportProxy } from "./model.ts";

interface FrontPointJson {
  readonly id: string;
  /** F1, F2, ... as in the tables. */
  readonly label: string;
  readonly trial: number;
  readonly notation: string;
  readonly pattern: string;
  readonly published: string | null;
  readonly parameters: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Behind each metric that has raw samples: their number, extremes, and whether they were steady. */
  readonly samples: Readonly<Record<string, { n: number; min: number; max: number; stable: boolean }>>;
}
export interface FrontJson {
  readonly sweep: string;
  readonly objectives: readonly ReportObjective[];
  /** What audits found about the scores; a point leans on each weak one among its objectives. */
  readonly proxies: readonly ReportProxy[];
  readonly points: readonly FrontPointJson[];
}

const mapMetrics = <T>(
  metrics: Readonly<Record<string, ReportMetric>>,
  map: (metric: ReportMetric) => T | null,
): Record<string, T> => {
  const out: Record<string, T> = {};
  for (const [name, metric] of Object.entries(metrics)) {
    const mapped = map(metric);
    if (mapped !== null) out[name] = mapped;
  }
  return out;
};

export function frontJson(data: FrontData): FrontJson {
  return {
    sweep: data.sweep,
    objectives: data.objectives.map(({ name, direction, unit }) => ({ name, direction, unit })),
    proxies: data.proxies ?? [],
    points: frontPoints(data).map(({ label, trial }) => ({
      id: trial.id,
      label,
      trial: trial.number,
      notation: trial.notation,
      pattern: trial.pattern,
      published: trial.published,
      parameters: trial.parameters,
      metrics: mapMetrics(trial.metrics, (metric) => metric.value),
      samples: mapMetrics(trial.metrics, (metric) => {
        const range = sampleRange(metric);
        return range && { n: range.n, min: range.low, max: range.high, stable: metric.stable };
      }),
    })),
  };
}

const REPORT_JSON_VERSION = 1;

/** The whole report: everything it was made from, and the front spelled out. */
export const renderJson = (data: ReportData): string =>
  `${JSON.stringify({ format: "edgefront-report", version: REPORT_JSON_VERSION, ...data, front: frontJson(data).points }, null, 2)}\n`;

/** One trial a line, raw samples included: for tools that stream. */
export const renderJsonl = (data: ReportData): string =>
  data.trials.map((trial) => `${JSON.stringify({ sweep: data.sweep, ...trial })}\n`).join("");
