// What a device must show before it is used again after a quarantine or a restart: a small fixed layout comes out right, by every path
// of its kernels. Whether it is also as fast as it was is left to the measurement protocol.
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { SentinelError } from "./faults.ts";
import type { Worker } from "./worker.ts";

const LAYOUT = "v256 d64 f64 h4/2x16 : c3 g s8";
const TOKENS = Array.from({ length: 24 }, (_, i) => (i * 37) % 256);
const TIMEOUT_MS = 60_000;

/** Throws SentinelError when the device computes wrongly; errors of the session pass through. */
export async function requireSentinel(worker: Worker): Promise<void> {
  const { session } = await worker.open();
  const plan = lower(parseNotation(LAYOUT), { quantization: "q8_0", seed: 1 }).plan.toString("base64");
  const body = {
    model: { plan },
    tokens: TOKENS,
    prefill: 16,
    chunk: 8,
    logits: "none",
    checks: true,
  } as const;
  const { checks } = await worker.exclusively(({ signal }) =>
    session.request("verify", body, { timeoutMs: TIMEOUT_MS, signal }),
  );
  const wrong = checks.find((check) => !check.pass);
  if (wrong !== undefined)
    throw new SentinelError(`the sentinel came out wrong: ${wrong.name} is off by ${wrong.maxRelativeError}`);
}
