// The operators TypeScript can propose are those the kernels can run: every one goes through the real program planner.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { operatorNames } from "../../candidates/ops/operator-registry.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";

const examples: Record<(typeof operatorNames)[number], readonly string[]> = {
  conv: ["c2", "c3", "c8"],
  gqa: ["g", "g(4/4x16)", "g(4/1x16n)", "g(2/1x64t10000)"],
  swa: ["s1", "s5", "s4096"],
  swiglu: ["c3~33", "c3~256"],
};

describe("every operator of the registry", () => {
  let session: AgentSession;
  beforeAll(async () => {
    session = await openSession(localDevice());
  });
  afterAll(() => session.close());

  it.each(operatorNames)("%s is planned and verified by the kernels", async (name) => {
    for (const layer of examples[name]) {
      const layout = parseNotation(`v64 d32 f64 h4/2x16 : ${layer} c3`);
      const model = { plan: lower(layout, { quantization: "f32", seed: 1 }).plan.toString("base64") };
      const { listing } = await session.request("explain", { model, context: 64 });
      expect(listing).toMatch(/FLOP/i);
      const tokens = Array.from({ length: 12 }, (_, i) => (i * 7) % 64);
      const { checks } = await session.request("verify", {
        model,
        tokens,
        prefill: 9,
        chunk: 4,
        logits: "none",
        checks: true,
      });
      expect(checks.length).toBeGreaterThan(0);
      expect(checks.filter(({ pass }) => !pass)).toEqual([]);
    }
  });
});
