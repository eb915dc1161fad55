// A device that is removed and registered again under its name, over a real sshd. Its properties identify the
// machine, so that neither the baseline nor a sweep's numbers pass to another machine.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Store } from "../../runner/store/store.ts";
import {
  eventsOf,
  type LoopbackDevice,
  QUICK,
  query,
  register,
  runFarm,
  scriptedAgent,
  startDevice,
} from "../faults/farm.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";

describe.skipIf(sshdProblem() !== null)("a device enrolled again", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let first: LoopbackDevice;
  let second: LoopbackDevice;
  const config = process.env.XDG_CONFIG_HOME;
  beforeAll(async () => {
    folder = temporaryFolder();
    process.env.XDG_CONFIG_HOME = join(folder.path, "config");
    first = await startDevice();
    second = await startDevice();
  });
  afterAll(async () => {
    if (config === undefined) delete process.env.XDG_CONFIG_HOME;
    else process.env.XDG_CONFIG_HOME = config;
    await first?.stop();
    await second?.stop();
    folder?.remove();
  });

  const db = (): string => join(folder.path, "farm.db");
  const protocol = "{ retries: 0, readiness: { pollSeconds: 0.02, deadlineSeconds: 1 } }";
  const sweep = async (name: string, resume = false): Promise<void> => {
    const agent = await scriptedAgent();
    const asked = { db: db(), devices: ["a"], name, trials: 2, resume, protocol };
    await runFarm(asked, { ...QUICK, agentFor: async () => agent });
  };
  const baselines = (): number => eventsOf(db(), "sentinel-baseline").length;
  const enrolAgain = (device: LoopbackDevice): void => {
    const store = Store.open(db());
    store.devices.remove("a");
    store.close();
    register(db(), [device.record("a")]);
  };

  it("keeps its baseline and its sweeps while it is the same", async () => {
    register(db(), [first.record("a")]);
    await sweep("one");
    await sweep("two");
    enrolAgain(first);
    await sweep("three");
    await sweep("one", true);
    expect(baselines()).toBe(1);
  });

  it("is another one with another processor", async () => {
    first.script({ cpuModel: "Another CPU" });
    await sweep("four");
    expect(baselines()).toBe(2);
    await expect(sweep("one", true)).rejects.toMatchObject({
      code: "mixed-identity",
      message: expect.stringMatching(
        /^sweep "one" was begun with other content: the machine of a was Scripted CPU/,
      ),
    });
    first.script({});
  });

  it("is timed again with another host key, and goes on where all else is equal: a person confirmed the key", async () => {
    enrolAgain(second);
    await sweep("five");
    expect(baselines()).toBe(3);
    await sweep("one", true);
  });

  it("leaves every result with the probe it was taken with", () => {
    const rows = query<{ name: string; cpu: string }>(
      db(),
      `SELECT DISTINCT s.name, json_extract(p.result, '$.cpuModel') AS cpu FROM measurements m JOIN probes p ON p.id = m.probe_id
       JOIN jobs j ON j.id = m.job_id JOIN trials t ON t.id = j.trial_id JOIN sweeps s ON s.id = t.sweep_id ORDER BY s.name`,
    );
    expect(rows).toEqual(
      ["five", "four", "one", "three", "two"].map((name) => ({
        name,
        cpu: name === "four" ? "Another CPU" : "Scripted CPU",
      })),
    );
  });
});
