// Decisions of a measurement window, in which several candidates are measured in turn between two calibration
// runs. Is the device ready? In which order do the candidates run? Did the device change meanwhile? All
// functions are pure; runner/farm/measurement/ measures.
import { parseNotation } from "../candidates/notation.ts";
import type { Rng } from "../candidates/space.ts";
import type { MeasurementProfile } from "./device-profile.ts";
import type { StatusResult } from "./probe-result.ts";
import { type MeasuredContext, type MeasureResult, SAMPLE_FIELDS, type SampleField } from "./protocol.ts";
import type { MeasureRequest } from "./requests.ts";
import { summarise } from "./statistics/summary.ts";

/**
 * A small fixed layout with every kind of mixer, for calibration runs: its speed represents the device's.
 * Never change it, because stored baselines are of it.
 */
export const SENTINEL_NOTATION = "v2048 d256 f768 h4/2x64 : c3 s32 g c3";
export const SENTINEL = parseNotation(SENTINEL_NOTATION);
/** Takes tenths of a second on a slow core. */
export const SENTINEL_REQUEST = {
  contexts: [64],
  decodeTokens: 24,
  repetitions: 5,
  warmup: { max: 3, tolerance: 0.05 },
} as const satisfies Omit<MeasureRequest, "model">;

/** Rules for the course of a window. They are recorded with every result. */
export interface WindowRules {
  readonly readiness: MeasurementProfile["readiness"];
  readonly sentinel: MeasurementProfile["sentinel"];
  readonly cvLimit: number;
  /** Largest share of the processor that other work may take during a measurement. */
  readonly disturbanceLimit: number;
  /**
   * Number of fresh processes that measure a candidate within a window, in turn with the other candidates.
   */
  readonly rounds: number;
  /** Number of windows at different times over which a candidate's repetitions are spread. */
  readonly windows: number;
  /** How often a void or unstable measurement is repeated before it is kept as unreliable. */
  readonly retries: number;
  /** False: no readiness check and no calibration runs. Flags are still set. */
  readonly guarded: boolean;
}

/**
 * Samples of one calibration run: milliseconds of its prefill, and of all its decoded tokens, per repetition.
 */
export interface SentinelRun {
  readonly prefillMs: readonly number[];
  readonly decodeMs: readonly number[];
}

/** Returns the samples of a calibration run from its measurement, in ms. */
export function sentinelRun(result: MeasureResult): SentinelRun {
  const { prefillMs, decodeMs } = result.contexts[0]!;
  return { prefillMs, decodeMs: decodeMs.map((tokens) => tokens.reduce((sum, ms) => sum + ms, 0)) };
}

/**
 * Statistic that judges a calibration run. Where others use the machine too, it is the least disturbed
 * repetition. Then decode alone counts: prefill takes a few milliseconds of all threads together, which one
 * waiting thread turns into tens.
 */
export type SentinelStatistic = "median" | "min";

/**
 * Returns the time of `now` divided by that of `before`; above 1, the device became slower. By the median,
 * the slower of prefill and decode counts.
 */
export function slowdown(before: SentinelRun, now: SentinelRun, by: SentinelStatistic = "median"): number {
  const ratio = (key: keyof SentinelRun): number => summarise(now[key])[by] / summarise(before[key])[by];
  return by === "min" ? ratio("decodeMs") : Math.max(ratio("prefillMs"), ratio("decodeMs"));
}

/** Returns the largest relative change between two calibration runs, in either direction. */
export function driftOf(before: SentinelRun, after: SentinelRun, by: SentinelStatistic = "median"): number {
  return Math.max(slowdown(before, after, by), slowdown(after, before, by)) - 1;
}

/**
 * Returns the statistic for a window plan. Several windows are for machines that others use too: a burst in
 * one of two runs must not look like a changed device.
 */
export const sentinelStatistic = ({ windows }: Pick<WindowRules, "windows">): SentinelStatistic =>
  windows > 1 ? "min" : "median";

/** One check of a device that may or may not be at rest. */
export interface Look {
  readonly temperatureC: number | null;
  readonly loadAverage: number;
  /** The calibration run against its baseline; null where the sensors alone objected. */
  readonly slowdown: number | null;
}

/**
 * Required free memory, as a multiple of a model's predicted memory. With less it might be swapped, or killed
 * because of other programs.
 */
const MEMORY_MARGIN = 1.3;

/**
 * Returns a reason why a block may not start now, or null. Unreadable sensors forbid nothing. `bytes`:
 * predicted memory of the block.
 */
export function sensorObjection(
  status: Pick<StatusResult, "temperatureC" | "loadAverage" | "availableBytes">,
  { cores, bytes }: { readonly cores: number; readonly bytes: number },
  { maxTemperatureC, maxLoad, memoryMargin = MEMORY_MARGIN }: WindowRules["readiness"],
): string | null {
  const { temperatureC, loadAverage, availableBytes } = status;
  if (availableBytes < memoryMargin * bytes)
    return `${megabytes(availableBytes)} of memory are free, ${megabytes(memoryMargin * bytes)} needed`;
  if (maxTemperatureC !== null && temperatureC !== null && temperatureC > maxTemperatureC)
    return `${temperatureC.toFixed(0)} C, limit ${maxTemperatureC} C`;
  if (maxLoad !== null && loadAverage / cores > maxLoad)
    return `load ${(loadAverage / cores).toFixed(2)} per core, limit ${maxLoad}`;
  return null;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

/**
 * Returns a reason against starting because of the micro-probe (a calibration run against its baseline), or
 * null.
 */
export function probeObjection(
  ratio: number,
  { microProbeTolerance }: WindowRules["readiness"],
): string | null {
  return ratio <= 1 + microProbeTolerance
    ? null
    : `the calibration run takes ${((ratio - 1) * 100).toFixed(1)}% longer than its baseline, limit ${microProbeTolerance * 100}%`;
}

/** Returns a random order of `contenders`, independent of their properties. */
export function drawOrder(contenders: number, rng: Rng): readonly number[] {
  const order = Array.from({ length: contenders }, (_, index) => index);
  for (let last = contenders - 1; last > 0; last--) {
    const other = rng.below(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/**
 * Returns the order in which `contenders` run in a round: alternately as drawn and reversed, so that a steady
 * drift affects all equally.
 */
export const roundOrder = (drawn: readonly number[], round: number): readonly number[] =>
  round % 2 === 0 ? drawn : [...drawn].reverse();

/**
 * Returns what a window requests of each process when a candidate's repetitions and warm-ups are spread over
 * `windows` windows.
 */
export const shareOf = (
  { repetitions, warmup }: Required<Pick<MeasureRequest, "repetitions" | "warmup">>,
  windows: number,
): Required<Pick<MeasureRequest, "repetitions" | "warmup">> => ({
  repetitions: Math.ceil(repetitions / windows),
  warmup: { ...warmup, max: Math.ceil(warmup.max / windows) },
});

/**
 * Returns the rounds of one candidate as one result: all samples in order, memory of the largest process, the
 * median load time. Throws RangeError where the rounds generated different tokens: then at least one of them
 * computed something else.
 */
export function mergeRounds(rounds: readonly MeasureResult[]): MeasureResult {
  const [first] = rounds;
  if (first === undefined) throw new RangeError("no rounds to merge");
  if (rounds.some((round) => round.outputHash !== first.outputHash))
    throw new RangeError("repeated runs of one model generated different tokens");
  const median = (of: (round: MeasureResult) => number): number => summarise(rounds.map(of)).median;
  const largest = rounds.reduce((a, b) => (b.memory.peakBytes > a.memory.peakBytes ? b : a));
  return {
    ...rounds.at(-1)!,
    loadMs: median((round) => round.loadMs),
    firstTokenMs: median((round) => round.firstTokenMs),
    memory: largest.memory,
    contexts: first.contexts.map((context, index) => {
      const all = rounds.map((round) => round.contexts[index]!);
      return {
        ...context,
        warmups: Math.max(...all.map(({ warmups }) => warmups)),
        stable: all.every(({ stable }) => stable),
        ...samplesOf(all),
      };
    }),
  };
}

/** Samples of all rounds, in order. Fields that the agent does not report stay absent. */
function samplesOf(rounds: readonly MeasuredContext[]): Pick<MeasuredContext, SampleField> {
  const reported = SAMPLE_FIELDS.filter((field) => rounds.some((round) => round[field] !== undefined));
  const joined = reported.map((field) => [field, rounds.flatMap<unknown>((round) => round[field] ?? [])]);
  return Object.fromEntries(joined) as Pick<MeasuredContext, SampleField>;
}
