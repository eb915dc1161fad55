// Runs the sentinel on a device, waits until the device is at rest, and checks a new agent's arithmetic before any speed counts.
import { setTimeout as sleep } from "node:timers/promises";
import { lower } from "../../candidates/gguf/lower.ts";
import type { ModelRef, StatusResult } from "../../profilers/protocol.ts";
import {
  type Look,
  probeObjection,
  SENTINEL,
  SENTINEL_REQUEST,
  type SentinelRun,
  sensorObjection,
  sentinelRun,
  slowdown,
  type WindowRules,
} from "../../profilers/window.ts";
import { RunnerError } from "../agent/errors.ts";
import type { AgentSession } from "../agent/session.ts";

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

export interface Readiness {
  readonly ready: boolean;
  /** Why it was not at rest at the last look; null when it was. */
  readonly objection: string | null;
  readonly looks: readonly Look[];
  readonly waitedMs: number;
  /** The sentinel as it ran at the last look; null where the sensors said no. */
  readonly run: SentinelRun | null;
}

/** Looks at the device until it is at rest or the deadline has passed. Without a baseline the sensors alone are asked. */
export async function awaitReadiness(
  context: SentinelContext,
  baseline: SentinelRun | null,
  cores: number,
  rules: WindowRules["readiness"],
  onLook: (status: StatusResult, objection: string | null) => void,
): Promise<Readiness> {
  const { session, signal } = context;
  const looks: Look[] = [];
  const start = performance.now();
  for (;;) {
    const status = await session.request("status", {}, { signal, timeoutMs: TIMEOUT_MS });
    const { temperatureC, loadAverage } = status;
    let objection = sensorObjection(status, cores, rules);
    const run = objection === null ? await runSentinel(context) : null;
    const ratio = run === null || baseline === null ? null : slowdown(baseline, run);
    if (ratio !== null) objection = probeObjection(ratio, rules);
    looks.push({ temperatureC, loadAverage, slowdown: ratio });
    onLook(status, objection);
    const waitedMs = performance.now() - start;
    if (objection === null) return { ready: true, objection, looks, waitedMs, run };
    if (waitedMs + rules.pollSeconds * 1000 > rules.deadlineSeconds * 1000)
      return { ready: false, objection, looks, waitedMs, run };
    await sleep(rules.pollSeconds * 1000, undefined, { signal });
  }
}
