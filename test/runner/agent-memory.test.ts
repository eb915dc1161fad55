// Three kinds of memory shortage: a model that clearly cannot fit, an allocation that fails, and a child that
// the system kills. The last needs its own control group: root, and a memory controller.
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import { LocalTransport } from "../../runner/devices/local-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { planOf } from "../support/agents.ts";

const BIG = "v65536 d1024 f4096 h16/8x64 : c3 c3 g c3";
const MEASURE = { contexts: [16], decodeTokens: 2, repetitions: 1, warmup: { max: 0, tolerance: 1 } };

/** A new control group limited to `bytes`; undefined where this process may not create one. */
function makeGroup(bytes: number): string | undefined {
  for (const [root, limit] of [
    ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"],
    ["/sys/fs/cgroup", "memory.max"],
  ] as const) {
    const group = join(root, `edgefront-test-${process.pid}`);
    try {
      mkdirSync(group);
      if (existsSync(join(group, limit))) {
        writeFileSync(join(group, limit), String(bytes));
        return group;
      }
      rmdirSync(group);
    } catch {
      // not root, or no such controller
    }
  }
  return undefined;
}

let folder: string;
let path: string;
let group: string | undefined;
let session: AgentSession | undefined;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "edgefront-memory-"));
  path = (await buildAgent({ target: hostTarget()!, kind: "agent" })).path;
});
afterEach(async () => {
  await session?.close();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const startUnder = async (command: string) => {
  const wrapper = join(folder, "agent");
  writeFileSync(wrapper, `#!/bin/sh\n${command}\nexec ${path} serve\n`, { mode: 0o700 });
  session = await AgentSession.start(new LocalTransport(), { path: wrapper, sha256: "" });
  return session;
};
const expectAlive = async (agent: AgentSession) =>
  expect((await agent.request("measure", { model: { plan: planOf() }, ...MEASURE })).threads).toBeGreaterThan(
    0,
  );

describe("out of memory", () => {
  it("is predicted for a model that cannot fit", async () => {
    const agent = await startUnder("true");
    const layers = Array(64).fill("g").join(" ");
    const plan = planOf(`v65536 d8192 f65536 h64/8x128 : ${layers}`, "f32");
    const request = agent.request("measure", { model: { plan }, ...MEASURE });
    await expect(request).rejects.toMatchObject({
      code: "out-of-memory",
      blame: "candidate",
      message: /MiB/,
    });
    await expectAlive(agent);
  });

  it("is reported when an allocation fails", async () => {
    const agent = await startUnder("ulimit -v 100000");
    const request = agent.request("measure", { model: { plan: planOf(BIG) }, ...MEASURE });
    await expect(request).rejects.toMatchObject({ code: "out-of-memory", blame: "candidate" });
    await expectAlive(agent);
  });

  it("is told apart from other kills when the system ends the job", async (context) => {
    group = makeGroup(60 * 1024 * 1024);
    if (group === undefined) return context.skip("no memory controller to make a group in");
    try {
      const agent = await startUnder(`echo $$ > ${group}/cgroup.procs`);
      const request = agent.request("measure", { model: { plan: planOf(BIG) }, ...MEASURE });
      await expect(request).rejects.toMatchObject({ code: "out-of-memory", blame: "candidate" });
      await expectAlive(agent);
      await agent.close();
    } finally {
      rmdirSync(group);
    }
  });
});
