// One suite for every runtime: its claims about itself hold on this machine, and its measurements are
// complete.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Layout } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { deviceMetrics } from "../../profilers/device-metrics.ts";
import type { ProbeResult } from "../../profilers/probe-result.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { type Runtime, runnableAs } from "../../runner/runtimes/runtime.ts";
import { type RuntimeId, runtimeOf, runtimes } from "../../runner/runtimes/runtime-registry.ts";
import { llamaPath, llamaProblem } from "../support/needs.ts";

/** Needs of a runtime on this machine: the reason why it cannot run here, or null. */
const NEEDS: Partial<Record<RuntimeId, () => string | null>> = { "llama.cpp": llamaProblem };
/** Where the libraries of a runtime are. */
const PATHS: Partial<Record<RuntimeId, string>> = { "llama.cpp": llamaPath };

const LAYOUTS = ["c3 g", "c2 c8 s8 g", "g g", "c3 c3"].map((layers) =>
  parseNotation(`v256 d64 f128 h4/2x16 : ${layers}`),
);
const how = { quantization: "q4_0", seed: 1 } as const;
const MEASURE = { contexts: [16], decodeTokens: 4, repetitions: 2, warmup: { max: 1, tolerance: 1 } };

describe.each(Object.entries<Runtime>(runtimes))("runtime %s", (id, runtime) => {
  const missing = NEEDS[id as RuntimeId]?.() ?? null;
  describe.skipIf(missing !== null)(missing ?? "on this machine", { timeout: 300_000 }, () => {
    let binary: AgentBinary;
    let session: AgentSession;
    let probe: ProbeResult;
    beforeAll(async () => {
      const runtimePath = PATHS[id as RuntimeId];
      const device = {
        ...localDevice(),
        runtime: id,
        ...(runtimePath === undefined ? {} : { runtimePath }),
      };
      expect(runtimeOf(device)).toBe(runtime);
      binary = await runtime.agent(device);
      session = await openSession(device, { ...runtime.sessionOptions?.(device), binary });
      probe = await session.request("probe", {});
    });
    afterAll(() => session?.close());
    const measure = (layout: Layout) =>
      session.request("measure", { model: runtime.lower(runnableAs(runtime, layout), how), ...MEASURE });

    it("says which engine answers", async () => {
      const greeted = { hello: await session.hello, probe, programSha256: binary.sha256 };
      const { version, sha256, backend } = runtime.engine(greeted);
      expect(version).toMatch(/\d/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(backend).toMatch(/^[a-z]+$/);
    });

    it("passes its own check of correctness", async () => {
      const { signal } = new AbortController();
      await runtime.verify({ session, placement: { threads: 1 }, isa: probe.isa, signal });
      expect(runtime.express(runtime.sentinel).kind).toBe("exact");
    });

    it("expresses a layout exactly, padded to one that is exact, or says why not", () => {
      const kinds = LAYOUTS.map((layout) => {
        const expression = runtime.express(layout);
        if (expression.kind === "padded") expect(runtime.express(expression.as).kind).toBe("exact");
        if (expression.kind !== "exact") expect(expression.why).not.toBe("");
        return expression.kind;
      });
      expect(kinds).toContain("exact");
    });

    it("gives every metric that it promises, and the same tokens again", async () => {
      const layout = LAYOUTS.find((one) => runtime.express(one).kind !== "none")!;
      const result = await measure(layout);
      const kinds = deviceMetrics(result, "here").map(({ name }) => name.split(/[@:]/)[0]);
      expect(new Set(kinds)).toEqual(new Set(runtime.metrics));
      // An engine with two kinds of attention may choose the other one.
      const again = await measure(layout);
      if (again.runtime?.flashAttention === result.runtime?.flashAttention)
        expect(again.outputHash).toBe(result.outputHash);
    });

    it("does the jobs that measuring needs", () => {
      expect([...runtime.jobs]).toEqual(expect.arrayContaining(["probe", "status", "measure", "verify"]));
    });
  });
});

describe("the layout that a runtime runs", () => {
  const [layout, padded] = LAYOUTS as [Layout, Layout];
  it("is the layout itself, or the padded one", () => {
    expect(runnableAs({ express: () => ({ kind: "exact" }) }, layout)).toBe(layout);
    expect(runnableAs({ express: () => ({ kind: "padded", as: padded, why: "one k" }) }, layout)).toBe(
      padded,
    );
  });
  it("is refused before anything is measured where there is none, and the candidate is to blame", () => {
    const runtime: Pick<Runtime, "express"> = { express: () => ({ kind: "none", why: "no windows" }) };
    expect(() => runnableAs(runtime, layout)).toThrow(
      expect.objectContaining({
        code: "unsupported",
        blame: "candidate",
        message: expect.stringMatching(/windows/),
      }),
    );
  });
});

describe("a device's runtime", () => {
  it("is native where the record names none, as records from before there was a choice", () => {
    expect(runtimeOf({ name: "old" })).toBe(runtimes.native);
  });
  it("is refused with the next step where this version does not have it", () => {
    expect(() => runtimeOf({ name: "phone", runtime: "nativ" })).toThrow(
      expect.objectContaining({
        code: "unknown-runtime",
        message: expect.stringMatching(/"native"\?.*device remove phone/),
      }),
    );
  });
});
