// Conditions of the machine that are no fault of a model: withheld cores, kernels that the processor lacks, a
// quota. The real agent reports what it did, or blames the device. kernels/tests/host_test.cc simulates other
// systems.
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { validityFlags } from "../../profilers/validity.ts";
import { buildAgent } from "../../runner/agent/build.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import { LocalTransport } from "../../runner/devices/local-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { planOf } from "../support/agents.ts";

const MEASURE = {
  model: { plan: planOf() },
  contexts: [16],
  decodeTokens: 4,
  repetitions: 2,
  warmup: { max: 0, tolerance: 1 },
};
/** No machine has this CPU, and the kernel treats it as a withheld one. */
const NO_SUCH_CPU = 1000;

let path: string;
beforeAll(async () => {
  path = (await buildAgent({ target: hostTarget()!, kind: "agent" })).path;
});
let folder: string;
let session: AgentSession;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edgefront-conditions-"));
});
afterEach(async () => {
  await session.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts an agent after `command`, which may move its own process ($$) elsewhere. */
async function start(command = "true"): Promise<AgentSession> {
  const wrapper = join(folder, "agent");
  writeFileSync(wrapper, `#!/bin/sh\n${command}\nexec ${path} serve\n`, { mode: 0o700 });
  session = await AgentSession.start(new LocalTransport(), { path: wrapper, sha256: "" });
  return session;
}

describe("an agent", () => {
  it("that is refused its cores runs on those it has, and says so", async () => {
    const agent = await start();
    const probe = await agent.request("probe", {});
    const placement = { threads: 1, cpus: [NO_SUCH_CPU] };
    const result = await agent.request("measure", { ...MEASURE, ...placement });
    expect(result.threads).toBe(1);
    expect(probe.allowedCpus).toContain(result.affinity[0]);
    const flags = validityFlags({ result, probe, placement, emulated: false, cvLimit: 1 });
    expect(flags).toContain("moved");
  });

  it("that is refused some of them runs a thread on each of the others, never two on one", async () => {
    const agent = await start();
    const { allowedCpus } = await agent.request("probe", {});
    const cpus = [allowedCpus[0]!, NO_SUCH_CPU];
    const result = await agent.request("measure", { ...MEASURE, threads: 2, cpus });
    expect(result).toMatchObject({ threads: 1, affinity: [allowedCpus[0]] });
  });

  it("without the kernels that are asked for blames the device, in measuring as in training", async () => {
    const agent = await start();
    const isa = hostTarget()!.startsWith("x86") ? "neon" : "avx2";
    await expect(agent.request("measure", { ...MEASURE, isa })).rejects.toMatchObject({
      code: "unavailable",
      blame: "device",
    });
  });

  it("within a quota uses no more threads than that keeps busy, and counts how long it was held back", async (context) => {
    const group = makeQuota();
    if (group === undefined) return context.skip("no cpu controller to make a control group in");
    try {
      const agent = await start(`echo $$ > ${group}/cgroup.procs`);
      const probe = await agent.request("probe", {});
      expect(probe).toMatchObject({ cpuQuota: 0.5, defaultThreads: 1 });
      const result = await agent.request("measure", { ...MEASURE, threads: 0 });
      expect(result.threads).toBe(1);
      expect(result.disturbance!.throttledMs).toBeGreaterThanOrEqual(0);
      const flags = validityFlags({
        result,
        probe,
        placement: { threads: 0 },
        emulated: false,
        cvLimit: 1,
      });
      expect(flags).not.toContain("moved");
      await agent.close();
    } finally {
      rmdirSync(group);
    }
  });
});

/** A new control group with half a CPU; undefined where this process may not create one. */
function makeQuota(): string | undefined {
  const name = `edgefront-quota-${process.pid}`;
  for (const [root, files] of [
    ["/sys/fs/cgroup/cpu", { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000" }],
    ["/sys/fs/cgroup", { "cpu.max": "50000 100000" }],
  ] as const) {
    const group = join(root, name);
    try {
      mkdirSync(group);
      if (Object.keys(files).every((file) => existsSync(join(group, file)))) {
        for (const [file, text] of Object.entries(files)) writeFileSync(join(group, file), text);
        return group;
      }
      rmdirSync(group);
    } catch {
      // not root, or no such controller
    }
  }
  return undefined;
}
