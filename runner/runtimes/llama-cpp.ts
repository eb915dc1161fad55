// llama.cpp as a runtime: the user's own library, run by an agent of this package (kernels/llama/).

import { InvalidInputError } from "../../candidates/errors.ts";
import { expressionOf, lower, paddingOf } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { CacheFormat, ModelRef } from "../../profilers/requests.ts";
import { llamaAgent } from "../agent/llama-agent.ts";
import type { AgentSession } from "../agent/session.ts";
import { sha256Of } from "../base/durable-files.ts";
import { cacheFolder } from "../base/paths.ts";
import { AgentStartError } from "../devices/device-errors.ts";
import { llamaFolder } from "./llama-folder.ts";
import { native } from "./native.ts";
import {
  type Expressibility,
  type Runtime,
  type VerifyContext,
  WrongModelError,
  WrongOutputError,
} from "./runtime.ts";

const TIMEOUT_MS = 600_000;
/** Like the calibration layout of edgefront's own engine, without its window: lfm2 has one attention. */
const SENTINEL = parseNotation("v2048 d256 f768 h4/2x64 : c3 g g c3");
/** Architectures that edgefront writes and version 0.5.0 does not have yet. */
const NEWER: ReadonlySet<string> = new Set(["lfm3"]);

/** Says whether an architecture of version 0.5.0 has the sizes, or larger ones that compute the same. */
function express(layout: Layout): Expressibility {
  const { architecture, why } = expressionOf(layout);
  const none = (reason: string): Expressibility => ({
    kind: "none",
    why: `llama.cpp does not run it: ${reason}`,
  });
  if (NEWER.has(architecture)) return none(`architecture ${architecture} needs a version above 0.5.0`);
  if (why === null) return { kind: "exact" };
  const as = paddingOf(layout)?.as;
  if (as === undefined) return none(why);
  if (expressionOf(as).why !== null)
    return none(
      `${why}; padding it takes zeros inside tensors, which edgefront compile writes but measure does not`,
    );
  return { kind: "padded", as, why };
}

/**
 * Has the agent compare the library with edgefront's own engine and with itself. Returns what differs; "" if
 * nothing.
 */
async function differences(
  { session, placement, isa, signal }: VerifyContext,
  model: ModelRef,
  kv: CacheFormat = "f16",
): Promise<string> {
  const request = { model, kv, logits: "none", checks: true, ...placement, isa } as const;
  const { checks } = await session.request("verify", request, { signal, timeoutMs: TIMEOUT_MS });
  if (checks.length === 0) return "nothing was compared";
  const failed = checks.filter(({ pass }) => !pass);
  return failed
    .map(
      ({ name, divergence, tolerance }) =>
        `${name} (KL divergence ${divergence?.toExponential(1) ?? "not finite"}, limit ${tolerance.toExponential(1)})`,
    )
    .join(", ");
}

/** The models that were found right in a session, so that measuring one again does not check it again. */
const verified = new WeakMap<AgentSession, Set<string>>();

export const llamaCpp: Runtime = {
  sentinel: SENTINEL,
  jobs: new Set(["probe", "status", "measure", "verify", "put"] as const),
  metrics: native.metrics,
  agent: llamaAgent,

  sessionOptions({ name, transport, runtimePath }) {
    if (transport === "local")
      return { fields: { library: llamaFolder(runtimePath), scratch: cacheFolder("models") } };
    if (runtimePath !== undefined) return { fields: { library: runtimePath } };
    throw new InvalidInputError(
      "runtime-missing",
      `device ${name} uses llama.cpp, and the folder of its libraries there is not known here; add it again with --runtime llama.cpp=/path/on/the/device`,
    );
  },

  engine({ probe: { runtime }, programSha256 }) {
    if (runtime === undefined) throw new AgentStartError("the agent does not say which llama.cpp it opened");
    const { version, backend, sha256 } = runtime;
    return { version, backend, sha256: sha256Of(`${programSha256} ${sha256}`) };
  },

  express,

  lower: (layout, how) => ({ plan: lower(layout, how).plan.toString("base64") }),

  async verify(context) {
    const found = await differences(context, llamaCpp.lower(SENTINEL, { quantization: "q4_0", seed: 1 }));
    if (found !== "")
      throw new WrongOutputError(
        `llama.cpp computes something else than edgefront's own engine there: ${found}`,
        "Use another build of llama.cpp: --runtime llama.cpp=/path",
      );
  },

  async verifyModel(context, model, kv) {
    const seen = verified.get(context.session) ?? new Set();
    verified.set(context.session, seen);
    const key = JSON.stringify([model, kv]);
    if (seen.has(key)) return;
    const found = await differences(context, model, kv);
    if (found !== "")
      throw new WrongModelError(
        `llama.cpp computes something else than edgefront's own engine for it: ${found}`,
      );
    seen.add(key);
  },
};
