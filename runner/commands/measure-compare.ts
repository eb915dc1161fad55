// edgefront measure --compare: runs interleaved pairs of two models on one device and prints a verdict per metric.
import { randomInt } from "node:crypto";
import { InvalidInputError } from "../../candidates/errors.ts";
import {
  type AwaitRest,
  type CompareRules,
  compareDefaults,
  judgePairs,
  type MetricComparison,
  MIN_PAIRS,
  type RunPairs,
  runPairs,
  type Side,
} from "../../profilers/compare.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import { type ContextMetric, contextMetrics, runMetrics } from "../../profilers/metrics.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { type Flag, validityFlags } from "../../profilers/validity.ts";
import { createRng } from "../../search/rng.ts";
import { RunError } from "../errors.ts";
import { DeviceRest, type RestContext } from "../measurement/rest.ts";
import { windowRules } from "../measurement/rules.ts";
import { type MeasureConfig, placementFor } from "../sweep/jobs.ts";
import type { Worker } from "../sweep/worker.ts";
import { columns, formatBytes, say } from "./common.ts";

/** What is compared: speed to the first token, speed after it, and memory. */
const COMPARED = ["ttftMs", "decodeTokensPerSecond"] as const satisfies readonly ContextMetric[];

export interface Comparison extends RunPairs {
  readonly rules: CompareRules;
  readonly metrics: readonly MetricComparison[];
  /** Flags of void runs, counted. */
  readonly voidFlags: Readonly<Partial<Record<Flag, number>>>;
}

export function compareRules(pairs: number): CompareRules {
  if (!Number.isInteger(pairs) || pairs < MIN_PAIRS || pairs > 1000)
    throw new InvalidInputError(
      "usage",
      `--pairs must be a whole number from ${MIN_PAIRS} to 1000 (see --help)`,
    );
  return { ...compareDefaults, pairs, maxRepeats: Math.ceil(pairs / 2) };
}

/** The compared metrics of one run, without the device's name: `ttftMs@1024`, ..., `peakBytes`. */
function valuesOf(result: MeasureResult): Record<string, number> {
  const compared: ReadonlySet<string> = new Set([...COMPARED, "peakBytes"]);
  return Object.fromEntries(
    deviceMetrics(result, "")
      .map(({ name, value }) => [name.slice(0, -1), value] as const)
      .filter(([name]) => compared.has(name.split("@")[0]!)),
  );
}

const directionOf = (metric: string): "min" | "max" =>
  metric === "peakBytes"
    ? runMetrics.peakBytes.direction
    : contextMetrics[metric.split("@")[0] as ContextMetric].direction;

/**
 * Checks the agent's arithmetic. Before each pair the device is then waited for as before a window; not where its profile never waits.
 * A device that does not come to rest in time voids the pair.
 */
async function awaitRest(
  worker: Worker,
  config: MeasureConfig,
  context: RestContext,
  onRestless: () => void,
): Promise<AwaitRest> {
  const rules = windowRules(worker.device, config.protocol);
  const rest = new DeviceRest(worker, config, rules, context);
  const opened = await worker.open();
  const checked = await worker.exclusively((turn) => rest.check(opened, turn));
  if (!rules.guarded || rules.readiness.deadlineSeconds === 0 || worker.emulated) return async () => true;
  return async () => {
    const { ready } = await worker.exclusively(() => rest.await(checked, opened, 0));
    if (!ready) onRestless();
    return ready;
  };
}

/** `run` measures one side once, in a fresh process. Throws RunError (`device-unsteady`) when too many runs were void. */
export async function compare(
  run: Readonly<Record<Side, () => Promise<MeasureResult>>>,
  worker: Worker,
  config: MeasureConfig,
  rules: CompareRules,
  context: RestContext,
): Promise<Comparison> {
  const { probe } = await worker.open();
  const voidFlags: Partial<Record<Flag, number>> = {};
  const note = (flag: Flag): void => {
    voidFlags[flag] = (voidFlags[flag] ?? 0) + 1;
  };
  const placement = placementFor(worker, config);
  const measureSide = async (side: Side): Promise<Record<string, number> | null> => {
    const result = await run[side]();
    // The repetitions of a run are summed up by their median: its spread is part of the noise between pairs.
    const { emulated } = worker;
    const flags = validityFlags({ result, probe, placement, emulated, cvLimit: Number.POSITIVE_INFINITY });
    const voiding = flags.filter((flag) => flag === "moved" || flag === "swapped");
    for (const flag of voiding) note(flag);
    return voiding.length > 0 ? null : valuesOf(result);
  };
  const ran = await runPairs(
    measureSide,
    rules,
    createRng(randomInt(2 ** 31)),
    (done, repeats) => say(`pair ${done} of ${rules.pairs}${repeats > 0 ? `, ${repeats} run again` : ""}`),
    await awaitRest(worker, config, context, () => note("not-ready")),
  );
  if (ran === null) {
    const why = Object.entries(voidFlags).map(([flag, count]) => `${flag} ${count} times`);
    throw new RunError(
      "device-unsteady",
      `more than ${rules.maxRepeats} pairs were void on ${worker.device.name} (${why.join(", ")}); ` +
        "free the device of other work, let it cool, use fewer threads, and try again",
    );
  }
  const metrics = Object.keys(ran.pairs[0]!.a);
  const directions = Object.fromEntries(metrics.map((metric) => [metric, directionOf(metric)]));
  return { ...ran, rules, voidFlags, metrics: judgePairs(ran.pairs, directions, rules) };
}

const signed = (share: number): string => `${share >= 0 ? "+" : ""}${(100 * share).toFixed(1)}%`;
const shown = (metric: string, value: number): string =>
  metric === "peakBytes" ? formatBytes(value) : value.toPrecision(4);

const NAMES: Readonly<Record<string, string>> = {
  ttftMs: "TTFT ms",
  decodeTokensPerSecond: "decode tok/s",
  peakBytes: "peak memory",
};
const nameOf = (metric: string): string => {
  const [base, at] = metric.split("@") as [string, string?];
  return `${NAMES[base] ?? base}${at === undefined ? "" : ` @${at}`}`;
};

function verdictText({ verdict, metric }: MetricComparison, effect: number): string {
  if (verdict === "undecided") return "undecided: more pairs may tell";
  if (verdict === "same") return `the same within ${100 * effect}%`;
  const what = metric === "peakBytes" ? "smaller" : "faster";
  return `${verdict === "a-better" ? "A" : "B"} is ${what}`;
}

/** For people: both sides, one line a metric, and how often such a table errs. */
export function comparisonText(
  comparison: Comparison,
  names: Readonly<Record<Side, string>>,
  device: string,
): string {
  const { rules, metrics, pairs, replaced, voided } = comparison;
  const rows = metrics.map((judged) => [
    nameOf(judged.metric),
    shown(judged.metric, judged.a),
    shown(judged.metric, judged.b),
    signed(judged.change),
    `${signed(judged.interval.low)} to ${signed(judged.interval.high)}`,
    judged.adjustedP < 0.001 ? "<0.001" : judged.adjustedP.toFixed(3),
    verdictText(judged, rules.effect),
  ]);
  const again = replaced.length + voided;
  return [
    `A  ${names.a}`,
    `B  ${names.b}`,
    `${pairs.length} pairs on ${device}, each run in a fresh process, the order within each pair drawn` +
      (again > 0 ? `; ${again} run again (${voided} void, ${replaced.length} stray)` : ""),
    "",
    columns([["", "A", "B", "B vs A", "95% INTERVAL", "p", "VERDICT"], ...rows], [1, 2, 3, 4, 5]),
    "",
    `Of comparisons of a layout with itself at most ${100 * rules.errorRate}% find any difference here (exact sign-flip test, p adjusted ` +
      `for ${metrics.length} metrics); differences under ${100 * rules.effect}% do not count.`,
  ].join("\n");
}
