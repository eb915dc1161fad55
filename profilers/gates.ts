// Checks whether a measurement is believable: counts as requested, physical limits respected. A result that
// fails is never scored. Evidence against the layout is kept apart from evidence against the device.
import type { MeasureResult } from "./protocol.ts";
import type { MeasureRequest } from "./requests.ts";
import { summarise } from "./statistics/summary.ts";

export interface GateInput {
  readonly request: Pick<MeasureRequest, "contexts" | "decodeTokens" | "repetitions" | "batch">;
  readonly result: MeasureResult;
  readonly parameters: number;
  /** Weight bytes by the static model. */
  readonly weightBytes: number;
  /**
   * Bytes that one decode step of the batch reads, by context. What it writes does not count: the probe
   * measures how fast memory is read.
   */
  readonly decodeReadBytes: (context: number) => number;
  /** The best value of any probe of the device, in GB/s; null while unknown. */
  readonly readBandwidthGBs: number | null;
}

/** Caches hold smaller working sets. The bandwidth of main memory limits only models well above them. */
const BANDWIDTH_GATE_MIN_BYTES = 128 * 2 ** 20;
/** Tolerance for the error of the bandwidth measurement itself. */
const BANDWIDTH_SLACK = 1.25;

export interface DeviceContradiction {
  /** A new probe at rest may resolve `bandwidth`. */
  readonly kind: "bandwidth" | "memory";
  readonly reason: string;
}

/** Returns reasons to reject a measurement; empty when the measurement may be used. */
export function gateViolations(input: GateInput): readonly string[] {
  const { request, result } = input;
  const violations: string[] = [];
  const fail = (reason: string): void => {
    violations.push(reason);
  };
  if (result.parameters !== input.parameters) {
    fail(`the device ran a model of ${result.parameters} parameters, asked was ${input.parameters}`);
  }
  if (result.batch !== (request.batch ?? 1))
    fail(`a batch of ${result.batch} came back, asked was ${request.batch ?? 1}`);
  const asked = request.contexts ?? [];
  const measured = result.contexts.map((entry) => entry.context);
  if (asked.join() !== measured.join())
    fail(`contexts ${measured.join()} came back, asked were ${asked.join()}`);
  for (const { context, ttftMs, prefillMs, decodeMs } of result.contexts) {
    const at = `at context ${context}`;
    const repetitions = [ttftMs.length, prefillMs.length, decodeMs.length];
    if (repetitions.some((n) => n !== request.repetitions))
      fail(`${repetitions.join("/")} repetitions ${at}`);
    const perToken = (request.decodeTokens ?? 0) - 1;
    if (decodeMs.some((tokens) => tokens.length !== perToken)) fail(`wrong number of decoded tokens ${at}`);
    const times = [...ttftMs, ...prefillMs, ...decodeMs.flat()];
    if (times.some((ms) => !(ms > 0))) fail(`a time of zero or less ${at}`);
    if (ttftMs.some((ms, i) => ms < (prefillMs[i] ?? 0)))
      fail(`a first token before the end of its prefill ${at}`);
  }
  const peak = result.memory.peakBytes + result.memory.swapBytes;
  if (peak > 0 && peak < input.weightBytes)
    fail(
      `peak memory of ${result.memory.peakBytes} bytes is below the ${input.weightBytes} bytes of the weights`,
    );
  return violations;
}

/**
 * Returns a contradiction between a device's statements and its measurements, or a required statement that is
 * missing; else null. This is evidence against the device, never against the layout: a bandwidth probed under
 * load is too low for all layouts alike.
 */
export function deviceContradiction(input: GateInput): DeviceContradiction | null {
  const { result } = input;
  if (result.memory.peakBytes + result.memory.swapBytes === 0)
    return { kind: "memory", reason: "its system does not tell what a process's memory was (VmHWM, VmRSS)" };
  if (input.readBandwidthGBs === null) return null;
  for (const { context, decodeMs } of result.contexts) {
    const bytes = input.decodeReadBytes(context);
    if (bytes <= BANDWIDTH_GATE_MIN_BYTES || decodeMs.flat().length === 0) continue;
    const gigabytesPerSecond = bytes / 1e6 / summarise(decodeMs.flat()).median;
    if (gigabytesPerSecond > input.readBandwidthGBs * BANDWIDTH_SLACK)
      return {
        kind: "bandwidth",
        reason:
          `decode at context ${context} would read ${gigabytesPerSecond.toFixed(1)} GB/s, above the ` +
          `${input.readBandwidthGBs.toFixed(1)} GB/s that its best probe measured`,
      };
  }
  return null;
}
