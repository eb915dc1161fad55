// Decisions of a measurement window, in which several candidates are measured in turn between two runs of a sentinel: is the device
// ready, in which order do the candidates run, did the device change meanwhile. Pure; what is run where is runner/measurement/.
import { parseNotation } from "../candidates/notation.ts";
import type { Rng } from "../candidates/space.ts";
import type { MeasurementProfile } from "./device-profile.ts";
import type { StatusResult } from "./probe-result.ts";
import { type MeasuredContext, type MeasureResult, SAMPLE_FIELDS, type SampleField } from "./protocol.ts";
import type { MeasureRequest } from "./requests.ts";
import { summarise } from "./statistics/summary.ts";

/** A small fixed layout with every kind of mixer, whose speed stands for the device's own. Never change it: baselines are of it. */
export const SENTINEL_NOTATION = "v2048 d256 f768 h4/2x64 : c3 s32 g c3";
export const SENTINEL = parseNotation(SENTINEL_NOTATION);
/** Tenths of a second on a slow core. */
export const SENTINEL_REQUEST = {
  contexts: [64],
  decodeTokens: 24,
  repetitions: 5,
  warmup: { max: 3, tolerance: 0.05 },
} as const satisfies Omit<MeasureRequest, "model">;

/** How a window is conducted; recorded with every result. */
export interface WindowRules {
  readonly readiness: MeasurementProfile["readiness"];
  readonly sentinel: MeasurementProfile["sentinel"];
  readonly cvLimit: number;
  /** Largest share of the processor that others may take from a measurement. */
  readonly disturbanceLimit: number;
  /** Fresh processes a candidate is measured in within a window, taking turns with the other candidates. */
  readonly rounds: number;
  /** Windows at different times over which its repetitions are shared out. */
  readonly windows: number;
  /** How often a void or unstable measurement is taken again before it is kept as one not to rely on. */
  readonly retries: number;
  /** False: no readiness gate and no sentinel; flags are still set. */
  readonly guarded: boolean;
}

/** Samples of one run of the sentinel: milliseconds of its prefill, and of all its decoded tokens, by repetition. */
export interface SentinelRun {
  readonly prefillMs: readonly number[];
  readonly decodeMs: readonly number[];
}

export function sentinelRun(result: MeasureResult): SentinelRun {
  const { prefillMs, decodeMs } = result.contexts[0]!;
  return { prefillMs, decodeMs: decodeMs.map((tokens) => tokens.reduce((sum, ms) => sum + ms, 0)) };
}

/**
 * By what a run of the sentinel is judged: where others use the machine too, by the least disturbed repetition of its decode alone. Its prefill
 * is some milliseconds of all threads together, of which one that has to wait makes tens.
 */
export type SentinelStatistic = "median" | "min";

/** Time of `now` over that of `before`, where both are judged the slower of prefill and decode; above 1: the device became slower. */
export function slowdown(before: SentinelRun, now: SentinelRun, by: SentinelStatistic = "median"): number {
  const ratio = (key: keyof SentinelRun): number => summarise(now[key])[by] / summarise(before[key])[by];
  return by === "min" ? ratio("decodeMs") : Math.max(ratio("prefillMs"), ratio("decodeMs"));
}

/** Largest relative change of the sentinel between two runs, either way. */
export function driftOf(before: SentinelRun, after: SentinelRun, by: SentinelStatistic = "median"): number {
  return Math.max(slowdown(before, after, by), slowdown(after, before, by)) - 1;
}

/** Several windows are for machines that others use too: a burst in one of two runs must not look like a device that changed. */
export const sentinelStatistic = ({ windows }: Pick<WindowRules, "windows">): SentinelStatistic =>
  windows > 1 ? "min" : "median";

/** One look at a device that may or may not be at rest. */
export interface Look {
  readonly temperatureC: number | null;
  readonly loadAverage: number;
  /** The sentinel against its baseline; null where the sensors alone said no. */
  readonly slowdown: number | null;
}

/** Free memory over what a model is predicted to take, below which it would be swapped, or killed for what others do. */
const MEMORY_MARGIN = 1.3;

/** Why a block may not start now; null where it may. What cannot be read forbids nothing. `bytes`: what it is predicted to take. */
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

/** Why the micro-probe (the sentinel against its baseline) forbids it. */
export function probeObjection(
  ratio: number,
  { microProbeTolerance }: WindowRules["readiness"],
): string | null {
  return ratio <= 1 + microProbeTolerance
    ? null
    : `the calibration run takes ${((ratio - 1) * 100).toFixed(1)}% longer than its baseline, limit ${microProbeTolerance * 100}%`;
}

/** An order of `contenders` that nothing about them decides. */
export function drawOrder(contenders: number, rng: Rng): readonly number[] {
  const order = Array.from({ length: contenders }, (_, index) => index);
  for (let last = contenders - 1; last > 0; last--) {
    const other = rng.below(last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}

/** The order in which `contenders` run in a round: as drawn and backwards in turn, so that a steady drift hits all alike. */
export const roundOrder = (drawn: readonly number[], round: number): readonly number[] =>
  round % 2 === 0 ? drawn : [...drawn].reverse();

/** What a window asks of each process where a candidate's repetitions and warm-ups are shared out over `windows` of them. */
export const shareOf = (
  { repetitions, warmup }: Required<Pick<MeasureRequest, "repetitions" | "warmup">>,
  windows: number,
): Required<Pick<MeasureRequest, "repetitions" | "warmup">> => ({
  repetitions: Math.ceil(repetitions / windows),
  warmup: { ...warmup, max: Math.ceil(warmup.max / windows) },
});

/**
 * The rounds of one candidate as one result: samples one after another, memory of the largest process, the median load time.
 * Throws RangeError where the rounds generated different tokens: then at least one of them computed something else.
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

/** Samples of all rounds, one after another; what an agent does not report stays out. */
function samplesOf(rounds: readonly MeasuredContext[]): Pick<MeasuredContext, SampleField> {
  const reported = SAMPLE_FIELDS.filter((field) => rounds.some((round) => round[field] !== undefined));
  const joined = reported.map((field) => [field, rounds.flatMap<unknown>((round) => round[field] ?? [])]);
  return Object.fromEntries(joined) as Pick<MeasuredContext, SampleField>;
}
