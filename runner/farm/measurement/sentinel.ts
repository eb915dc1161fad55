// Everything that the sentinel is asked for: the check of a device before it comes back from quarantine, the sentinel's run, and waiting
// until the device is at rest.
import type { StatusResult } from "../../../profilers/probe-result.ts";
import {
  type Look,
  probeObjection,
  SENTINEL,
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

/** What one sentinel run needs: the agent, the placement that candidates get too, and when to stop. */
export interface SentinelContext extends VerifyContext {
  readonly runtime: Runtime;
}

export async function runSentinel({
  runtime,
  session,
  placement,
  isa,
  signal,
}: SentinelContext): Promise<SentinelRun> {
  const model = runtime.lower(SENTINEL, { quantization: "q4_0", seed: 1 });
  const request = { ...SENTINEL_REQUEST, model, ...placement, isa };
  return sentinelRun(await session.request("measure", request, { signal, timeoutMs: TIMEOUT_MS }));
}

/**
 * What a device must show before it is used again after a quarantine or a restart. Whether it is as fast as it was is left to the
 * readiness of its next window. @throws WrongOutputError; errors of the session pass through.
 */
export async function requireSentinel(worker: Worker): Promise<void> {
  const { session, probe } = await worker.open();
  const placement = placementOf(worker.device);
  const { isa } = probe;
  await worker.exclusively(({ signal }) => worker.runtime.verify({ session, placement, isa, signal }));
}

export interface Readiness {
  readonly ready: boolean;
  /** Why it was not at rest at the last look; null when it was. */
  readonly objection: string | null;
  readonly looks: readonly Look[];
  readonly waitedMs: number;
  /** Free memory at the last look. */
  readonly availableBytes: number;
  /** The sentinel as it ran at the last look; null where the sensors said no. */
  readonly run: SentinelRun | null;
}

/** What the device must have free for what comes next, beside being at rest. */
interface Needs {
  readonly cores: number;
  /** Bytes of memory; more than the device has at all is nothing to wait for. */
  readonly bytes: number;
}

/**
 * Looks at the device until it is at rest or the deadline has passed. Without a baseline the sensors alone are asked. `pause` passes the
 * time between two looks, in which others may use the device.
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
