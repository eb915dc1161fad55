// Everything that the sentinel is asked for: the check of an agent's arithmetic before any speed counts and before a device comes back
// from quarantine, its run, and waiting until the device is at rest.
import { lower } from "../../../candidates/gguf/lower.ts";
import type { StatusResult } from "../../../profilers/protocol.ts";
import type { ModelRef } from "../../../profilers/requests.ts";
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
import type { AgentSession } from "../../agent/session.ts";
import { RunnerError } from "../../devices/device-errors.ts";
import { placementOf } from "../../devices/device-record.ts";
import type { Worker } from "../worker.ts";

/** The device computes something else than its own scalar reference: nothing it measures counts. */
export class WrongOutputError extends RunnerError {
  readonly code = "wrong-output";
  readonly blame = "device";
}

const TIMEOUT_MS = 120_000;
const MODEL: ModelRef = { plan: lower(SENTINEL, { quantization: "q4_0", seed: 1 }).plan.toString("base64") };

/** What one sentinel run needs: the agent, the placement that candidates get too, and when to stop. */
export interface SentinelContext {
  readonly session: AgentSession;
  readonly placement: { readonly threads: number; readonly cpus?: readonly number[] };
  readonly isa: string;
  readonly signal: AbortSignal;
}

export async function runSentinel({
  session,
  placement,
  isa,
  signal,
}: SentinelContext): Promise<SentinelRun> {
  const request = { ...SENTINEL_REQUEST, model: MODEL, ...placement, isa };
  return sentinelRun(await session.request("measure", request, { signal, timeoutMs: TIMEOUT_MS }));
}

/**
 * The correctness gate: fast kernels against the scalar reference, chunked against whole prefill, decode against prefill, on the sentinel.
 * @throws WrongOutputError
 */
export async function verifyAgent({ session, placement, isa, signal }: SentinelContext): Promise<void> {
  const tokens = Array.from({ length: 48 }, (_, i) => (i * 37) % SENTINEL.vocab);
  const request = {
    model: MODEL,
    tokens,
    chunk: 16,
    logits: "none",
    checks: true,
    ...placement,
    isa,
  } as const;
  const { checks } = await session.request("verify", request, { signal, timeoutMs: TIMEOUT_MS });
  const failed = checks.filter(({ pass }) => !pass);
  if (checks.length > 0 && failed.length === 0) return;
  const what = failed.map(
    ({ name, maxRelativeError }) => `${name} (error ${maxRelativeError ?? "not finite"})`,
  );
  throw new WrongOutputError(
    `the agent's own checks fail there: ${what.join(", ") || "none were made"}`,
    "Measure with --isa scalar, and report the device's processor and compiler",
  );
}

/**
 * What a device must show before it is used again after a quarantine or a restart. Whether it is as fast as it was is left to the
 * readiness of its next window. @throws WrongOutputError; errors of the session pass through.
 */
export async function requireSentinel(worker: Worker): Promise<void> {
  const { session, probe } = await worker.open();
  const placement = placementOf(worker.device);
  await worker.exclusively(({ signal }) => verifyAgent({ session, placement, isa: probe.isa, signal }));
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
