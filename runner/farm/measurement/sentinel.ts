// The uses of the sentinel, the fixed small layout of calibration runs: a calibration run, and the wait until
// a device is at rest. Also verifies a device before it returns from quarantine.
import type { StatusResult } from "../../../profilers/probe-result.ts";
import {
  type Look,
  probeObjection,
  SENTINEL_REQUEST,
  type SentinelRun,
  sensorObjection,
  sentinelRun,
  sentinelStatistic,
  slowdown,
  type WindowRules,
} from "../../../profilers/window.ts";
import { placementOf } from "../../devices/device-record.ts";
import type { Runtime, VerifyContext } from "../../runtimes/runtime.ts";
import type { Worker } from "../worker.ts";

const TIMEOUT_MS = 120_000;

/** Inputs of a calibration run: the agent, the placement that candidates also get, and the stop signal. */
export interface SentinelContext extends VerifyContext {
  readonly runtime: Runtime;
}

/** Runs the calibration layout once and returns its times. Errors of the session pass through. */
export async function runSentinel({
  runtime,
  session,
  placement,
  isa,
  signal,
}: SentinelContext): Promise<SentinelRun> {
  const model = runtime.lower(runtime.sentinel, { quantization: "q4_0", seed: 1 });
  const request = { ...SENTINEL_REQUEST, model, ...placement, isa };
  return sentinelRun(await session.request("measure", request, { signal, timeoutMs: TIMEOUT_MS }));
}

/**
 * Verifies a device's arithmetic before it is used again after a quarantine or a restart. Its speed is
 * checked by the readiness of its next window.
 * @throws WrongOutputError; errors of the session pass through.
 */
export async function requireSentinel(worker: Worker): Promise<void> {
  const { session, probe } = await worker.open();
  const placement = placementOf(worker.device);
  const { isa } = probe;
  await worker.exclusively(({ signal }) => worker.runtime.verify({ session, placement, isa, signal }));
}

export interface Readiness {
  readonly ready: boolean;
  /** Why the device was not at rest at the last look; null when it was. */
  readonly objection: string | null;
  readonly looks: readonly Look[];
  readonly waitedMs: number;
  /** Free memory at the last look. */
  readonly availableBytes: number;
  /** The calibration run of the last look; null when the sensors already objected. */
  readonly run: SentinelRun | null;
}

/** Requirements of the next measurement, beside a device at rest. */
interface Needs {
  readonly cores: number;
  /** Bytes of memory. The caller passes 0 when the device could never have enough. */
  readonly bytes: number;
}

/**
 * Looks at the device until it is at rest or the deadline passes. Without a baseline only the sensors decide.
 * `pause` passes the time between two looks, in which others may use the device.
 */
export async function awaitReadiness(
  context: SentinelContext,
  baseline: SentinelRun | null,
  needs: Needs,
  rules: Pick<WindowRules, "readiness" | "windows">,
  onLook: (status: StatusResult, objection: string | null) => void,
  pause: (ms: number) => Promise<void>,
): Promise<Readiness> {
  const { session, signal } = context;
  const looks: Look[] = [];
  const { pollSeconds, deadlineSeconds } = rules.readiness;
  const start = performance.now();
  for (;;) {
    const status = await session.request("status", {}, { signal, timeoutMs: TIMEOUT_MS });
    const { temperatureC, loadAverage, availableBytes } = status;
    let objection = sensorObjection(status, needs, rules.readiness);
    const run = objection === null ? await runSentinel(context) : null;
    const ratio =
      run === null || baseline === null ? null : slowdown(baseline, run, sentinelStatistic(rules));
    if (ratio !== null) objection = probeObjection(ratio, rules.readiness);
    looks.push({ temperatureC, loadAverage, slowdown: ratio });
    onLook(status, objection);
    const waitedMs = performance.now() - start;
    if (objection === null) return { ready: true, objection, looks, waitedMs, availableBytes, run };
    if (waitedMs + pollSeconds * 1000 > deadlineSeconds * 1000)
      return { ready: false, objection, looks, waitedMs, availableBytes, run };
    await pause(pollSeconds * 1000);
  }
}
