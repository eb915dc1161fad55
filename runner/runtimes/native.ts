// The runtime of this package: the agent built from kernels/. It runs every layout, and trains proxies beside measuring.
import { lower } from "../../candidates/gguf/lower.ts";
import { contextMetrics, runMetrics } from "../../profilers/metrics/kinds.ts";
import { JOBS, type JobType } from "../../profilers/protocol.ts";
import { SENTINEL } from "../../profilers/window.ts";
import { nativeAgent } from "../agent/native-agent.ts";
import { type Runtime, type VerifyContext, WrongOutputError } from "./runtime.ts";

const TIMEOUT_MS = 120_000;
const TOKENS = Array.from({ length: 48 }, (_, i) => (i * 37) % SENTINEL.vocab);

/**
 * Compares fast kernels with the scalar reference, chunked with whole prefill, and decode with prefill, on
 * the layout of the calibration run.
 */
async function verify({ session, placement, isa, signal }: VerifyContext): Promise<void> {
  const model = native.lower(SENTINEL, { quantization: "q4_0", seed: 1 });
  const request = {
    model,
    tokens: TOKENS,
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

export const native: Runtime = {
  sentinel: SENTINEL,
  jobs: new Set(Object.keys(JOBS) as JobType[]),
  metrics: [...contextMetrics, ...runMetrics],
  agent: nativeAgent,
  engine: ({ hello, programSha256 }) => ({ version: hello.version, sha256: programSha256, backend: "cpu" }),
  express: () => ({ kind: "exact" }),
  lower: (layout, how) => ({ plan: lower(layout, how).plan.toString("base64") }),
  verify,
};
