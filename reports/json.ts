// Machine-readable forms: the front as printed by `front --json`, and the whole report. Numbers are plain,
// with their units beside them.
import { type RunsIn, runsIn } from "../candidates/runs-in.ts";
import type { Identity } from "../profilers/identity.ts";
import { frontPoints } from "./front.ts";
import { sampleRange } from "./metrics.ts";
import type {
  FrontData,
  ReportMetric,
  ReportObjective,
  ReportProxy,
  ReportRows,
  ReportTrial,
} from "./report-model.ts";

interface MetricJson {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly samples: number;
  /** Number of measurement sessions, or of seeds; 0 where the value is counted. */
  readonly sessions: number;
  readonly marks: readonly string[];
}

interface FrontPointJson {
  readonly id: string;
  /** F1, F2, ... as in the tables. */
  readonly label: string;
  readonly trial: number;
  readonly notation: string;
  readonly pattern: string;
  readonly published: string | null;
  readonly parameters: number;
  /** Engines that run the layout, or not. */
  readonly runsIn: readonly RunsIn[];
  /**
   * Each value with its 95% interval (null: the error is unknown), the number of sessions, and reasons not to
   * rely on it.
   */
  readonly metrics: Readonly<Record<string, MetricJson>>;
  /** Chance that the layout truly is on the front; null if not computed. */
  readonly chance: number | null;
  /** For each metric with raw samples: their number, extremes, and whether they were stable. */
  readonly samples: Readonly<Record<string, { n: number; min: number; max: number; stable: boolean }>>;
}
export interface FrontJson {
  readonly sweep: string;
  readonly objectives: readonly ReportObjective[];
  /** Results of audits; a point depends on each weak score among its objectives. */
  readonly proxies: readonly ReportProxy[];
  /** Different contents within one front, and places of unknown contents. Absent where there are neither. */
  readonly mixed?: Pick<Identity, "mixed" | "unknown">;
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

const metricJson = ({ value, samples, stable, estimate }: ReportMetric): MetricJson => ({
  value,
  low: estimate?.low ?? null,
  high: estimate?.high ?? null,
  samples: samples.length,
  sessions: estimate?.sessions ?? 0,
  marks: estimate?.marks ?? (stable ? [] : ["unstable"]),
});

function mixedIn(identity: FrontData["identity"]): Pick<FrontJson, "mixed"> {
  const { mixed = [], unknown = [] } = identity ?? {};
  return mixed.length + unknown.length === 0 ? {} : { mixed: { mixed, unknown } };
}

/** Returns the front as plain data, as `front --json` prints it. */
export function frontJson(data: FrontData): FrontJson {
  return {
    sweep: data.sweep,
    objectives: data.objectives.map(({ name, direction, unit }) => ({ name, direction, unit })),
    proxies: data.proxies ?? [],
    ...mixedIn(data.identity),
    points: frontPoints(data).map(({ label, trial }) => ({
      id: trial.id,
      label,
      trial: trial.number,
      notation: trial.notation,
      pattern: trial.pattern,
      published: trial.published,
      parameters: trial.parameters,
      runsIn: runsIn(trial.layout),
      chance: trial.chance ?? null,
      metrics: mapMetrics(trial.metrics, metricJson),
      samples: mapMetrics(trial.metrics, (metric) => {
        const range = sampleRange(metric);
        return range && { n: range.n, min: range.low, max: range.high, stable: metric.stable };
      }),
    })),
  };
}

const REPORT_JSON_VERSION = 1;

/** A trial in version 1 of the format. */
const exported = ({ overBudget: _, ...trial }: ReportTrial): ReportTrial => trial;

/** Text as `JSON.stringify` writes it inside an object. */
const indented = (value: unknown, by: string): string =>
  JSON.stringify(value, null, 2).replaceAll("\n", `\n${by}`);

/** Yields the whole report: all its data, and the front in full. */
export function* renderJson({ trials, metrics: _, ...rows }: ReportRows): Generator<string> {
  yield "{\n";
  const head = { format: "edgefront-report", version: REPORT_JSON_VERSION, ...rows };
  for (const [key, value] of Object.entries(head))
    if (value !== undefined) yield `  ${JSON.stringify(key)}: ${indented(value, "  ")},\n`;
  yield `  "trials": [`;
  const front: ReportTrial[] = [];
  let first = true;
  for (const trial of trials) {
    if (trial.onFront) front.push(trial);
    yield `${first ? "" : ","}\n    ${indented(exported(trial), "    ")}`;
    first = false;
  }
  yield first ? "]" : "\n  ]";
  yield `,\n  "front": ${indented(frontJson({ ...rows, trials: front }).points, "  ")}\n}\n`;
}

/** Yields one trial per line, with raw samples, for tools that stream. */
export function* renderJsonl({ sweep, trials }: ReportRows): Generator<string> {
  for (const trial of trials) yield `${JSON.stringify({ sweep, ...exported(trial) })}\n`;
}
