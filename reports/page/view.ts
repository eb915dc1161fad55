// The data of the page's script: the report reduced to columns (one array per metric, one entry per trial),
// so that 5,000 trials stay small and open fast. Raw samples are kept for the front and published layouts
// first, then for others up to a limit.
import { parseMetricName } from "../../profilers/metrics/name.ts";
import type { Choice } from "../../search/selection/choice.ts";
import { choicesOf } from "../choices.ts";
import { formatParameters } from "../format.ts";
import { frontPoints } from "../front.ts";
import { lineageOf } from "../front-lineage.ts";
import { directionOf, metricLabel, metricNames, sampleRange } from "../metrics.ts";
import type {
  ReportBudget,
  ReportData,
  ReportFrontSpan,
  ReportMetric,
  ReportSpan,
  ReportTrial,
  TrialState,
} from "../report-model.ts";

export interface ViewMetric {
  readonly key: string;
  readonly base: string;
  readonly context: number | null;
  /** Number of sequences decoded together. */
  readonly batch: number;
  readonly device: string | null;
  readonly label: string;
  readonly unit: string;
  readonly direction: "min" | "max" | null;
  readonly emulated: boolean;
  /** Values by trial; null if not measured. */
  readonly value: readonly (number | null)[];
  /** Extremes of the raw samples; null where the value is static. */
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  /** Trials (indices) whose value was unstable. */
  readonly unstable: readonly number[];
}

interface ViewTrial {
  readonly number: number;
  readonly id: string;
  /** F1, F2, ... on the front; null elsewhere. */
  readonly label: string | null;
  readonly published: string | null;
  readonly state: TrialState;
  readonly reason: string | null;
  readonly pattern: string;
  readonly parameters: string;
  /** Origin of the proposal, in words; null if unknown. */
  readonly origin: string | null;
  /** Indices of the trials it was varied from. */
  readonly parents: readonly number[];
}

export interface View {
  readonly sweep: string;
  readonly objectives: readonly {
    readonly key: string;
    readonly direction: "min" | "max";
    readonly unit: string;
  }[];
  readonly budgets: readonly ReportBudget[];
  readonly devices: readonly { readonly name: string; readonly emulated: boolean }[];
  readonly metrics: readonly ViewMetric[];
  readonly trials: readonly ViewTrial[];
  /**
   * Layouts to choose from, in the order of the trials. Values are not rounded, so that page and command line
   * decide alike.
   */
  readonly choices: readonly Choice[];
  /** Raw samples by trial index, then by metric index. */
  readonly samples: Readonly<Record<number, Readonly<Record<number, readonly number[]>>>>;
  /** Provenance of a trial's metric; kept for the same trials as samples. */
  readonly provenance: Readonly<Record<number, Readonly<Record<number, Readonly<Record<string, string>>>>>>;
  readonly timeline: readonly ReportSpan[];
  /** Trials (indices) that were ever on the front. `from` and `until` are trial numbers. */
  readonly frontSpans: readonly ReportFrontSpan[];
  /** Trials (indices) that the front descends from. `row` is a line of the drawing. */
  readonly lineage: readonly {
    readonly trial: number;
    readonly parent: number | null;
    readonly row: number;
  }[];
  readonly lineageRecorded: boolean;
  readonly hypervolume: { readonly trial: readonly number[]; readonly value: readonly number[] };
}

/** Largest number of embedded raw samples over all trials: about 1 MB of the compressed file. */
const SAMPLE_LIMIT = 200_000;

/** Largest number of former front layouts that are embedded; the page draws the latest. */
const SPAN_LIMIT = 300;

/** Five significant digits: finer than any measurement's noise, and half the size. */
const trim = (value: number): number => Number(value.toPrecision(5));

interface Trimmed {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly samples: readonly number[];
}
/** Cache by metric object, which stays the same while a page follows its sweep. */
const trimmed = new WeakMap<ReportMetric, Trimmed>();

function trimmedOf(metric: ReportMetric): Trimmed {
  const known = trimmed.get(metric);
  if (known !== undefined) return known;
  const range = sampleRange(metric);
  const made = {
    value: trim(metric.value),
    low: range && trim(range.low),
    high: range && trim(range.high),
    samples: metric.samples.map(trim),
  };
  trimmed.set(metric, made);
  return made;
}

/** Returns the data of the page's script for a report. */
export function viewOf(data: ReportData): View {
  const labels = new Map(frontPoints(data).map(({ label, trial }) => [trial, label]));
  const names = metricNames(data);
  const indexOf = new Map(data.trials.map((trial, index) => [trial.id, index]));
  const emulated = new Set(data.devices.filter((device) => device.emulated).map((device) => device.name));
  const place = new Map(data.trials.map(({ number }, index) => [number, index]));
  const lineage = lineageOf(data);
  // Only changes of the front are steps. The points between would draw the same line.
  const steps = data.hypervolume.filter(
    ({ value }, n, all) => value !== all[n - 1]?.value || n === all.length - 1,
  );
  return {
    sweep: data.sweep,
    objectives: data.objectives.map(({ name, direction, unit }) => ({ key: name, direction, unit })),
    budgets: data.budgets,
    devices: data.devices.map(({ name, emulated }) => ({ name, emulated })),
    metrics: names.map((key) => {
      const column = data.trials.map((trial) => trial.metrics[key]);
      const kept = column.map((metric) => (metric === undefined ? null : trimmedOf(metric)));
      const { base, context, batch, device } = parseMetricName(key);
      return {
        key,
        base,
        context,
        batch,
        device,
        label: metricLabel(key, { device: false }),
        unit: column.find((metric) => metric !== undefined)?.unit ?? "",
        direction: directionOf(key, data),
        emulated: device !== null && emulated.has(device),
        value: kept.map((metric) => metric?.value ?? null),
        low: kept.map((metric) => metric?.low ?? null),
        high: kept.map((metric) => metric?.high ?? null),
        unstable: column.flatMap((metric, index) => (metric?.stable === false ? [index] : [])),
      };
    }),
    trials: data.trials.map((trial) => ({
      number: trial.number,
      id: trial.id,
      label: labels.get(trial) ?? null,
      published: trial.published,
      state: trial.state,
      reason: trial.reason,
      pattern: trial.pattern,
      parameters: formatParameters(trial.parameters),
      origin: trial.origin ?? null,
      parents: (trial.parents ?? []).map((id) => indexOf.get(id)).filter((index) => index !== undefined),
    })),
    choices: choicesOf(data.trials),
    ...keptSamples(data.trials, names),
    timeline: data.timeline ?? [],
    frontSpans: latestSpans(data.frontSpans ?? []).flatMap(({ trial, ...span }) => {
      const index = place.get(trial);
      return index === undefined ? [] : [{ trial: index, ...span }];
    }),
    lineage: lineage.nodes.map(({ trial, parent, row }) => ({
      trial: place.get(trial)!,
      parent: parent === null ? null : place.get(parent)!,
      row,
    })),
    lineageRecorded: lineage.recorded,
    hypervolume: {
      trial: steps.map(({ trial }) => trial),
      value: steps.map(({ value }) => trim(value)),
    },
  };
}

/** Returns the spans still on the front, and the latest others. */
function latestSpans(spans: readonly ReportFrontSpan[]): readonly ReportFrontSpan[] {
  const gone = spans.filter(({ until }) => until !== null);
  const dropped = new Set(gone.slice(0, Math.max(0, gone.length - SPAN_LIMIT)));
  return spans.filter((span) => !dropped.has(span));
}

function keptSamples(
  trials: readonly ReportTrial[],
  names: readonly string[],
): Pick<View, "samples" | "provenance"> {
  const rank = (trial: ReportTrial): number => (trial.onFront ? 0 : trial.published === null ? 2 : 1);
  const order = trials
    .map((trial, index) => ({ trial, index }))
    .sort((a, b) => rank(a.trial) - rank(b.trial));
  const samples: Record<number, Record<number, readonly number[]>> = {};
  const provenance: Record<number, Record<number, Readonly<Record<string, string>>>> = {};
  let left = SAMPLE_LIMIT;
  for (const { trial, index } of order) {
    const row: Record<number, readonly number[]> = {};
    const rests: Record<number, Readonly<Record<string, string>>> = {};
    let size = 0;
    for (const [m, name] of names.entries()) {
      const metric = trial.metrics[name];
      if (metric === undefined || metric.samples.length === 0) continue;
      row[m] = trimmedOf(metric).samples;
      if (metric.provenance !== undefined) rests[m] = metric.provenance;
      size += metric.samples.length;
    }
    if (size > left) break;
    left -= size;
    if (size > 0) samples[index] = row;
    if (Object.keys(rests).length > 0) provenance[index] = rests;
  }
  return { samples, provenance };
}
