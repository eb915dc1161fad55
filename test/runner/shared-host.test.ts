// Several device records of one machine: the machine does one thing at a time, whichever record, sweep or
// process asks. The agent is scripted and takes no lock, so that only the coordinator separates the
// measurements.
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import {
  coordinate,
  coordinatorProgram,
  type LoopbackDevice,
  QUICK,
  query,
  register,
  runFarm,
  scriptedAgent,
  startDevice,
} from "../faults/farm.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd } from "../support/sshd.ts";

const JOB_MS = 100;
const OVERLAP = "<<";

describe.skipIf(sshdProblem() !== null)("two records of one board", { timeout: 120_000 }, () => {
  let agent: AgentBinary;
  let program: string;
  let board: LoopbackDevice;
  let folder: ReturnType<typeof temporaryFolder>;
  let db: string;
  beforeAll(async () => {
    agent = await scriptedAgent();
    program = await coordinatorProgram();
    board = await startDevice();
  });
  afterAll(() => board.stop());
  const { XDG_CONFIG_HOME } = process.env;
  beforeEach(async () => {
    folder = temporaryFolder();
    // The folder that stores the key files of devices.
    process.env.XDG_CONFIG_HOME = join(folder.path, "config");
    db = join(folder.path, "farm.db");
    await board.reset();
    board.script({ jobMs: JOB_MS });
  });
  afterEach(() => {
    if (XDG_CONFIG_HOME === undefined) delete process.env.XDG_CONFIG_HOME;
    else process.env.XDG_CONFIG_HOME = XDG_CONFIG_HOME;
    folder.remove();
  });

  const onBoard = (name: string): SshDeviceRecord => ({ ...board.record(name), machine: "board" });
  const measured = (): Record<string, number> =>
    Object.fromEntries(
      query<{ device: string; n: number }>(
        db,
        "SELECT device, count(*) AS n FROM measurements GROUP BY device",
      ).map(({ device, n }) => [device, n]),
    );
  /** Runs a sweep over both records in this process. */
  const sweepBoth = () =>
    runFarm({ db, devices: ["board", "second"], trials: 6 }, { ...QUICK, agentFor: async () => agent });

  it("measure one after the other in a sweep over both", async () => {
    register(db, [board.record("board"), onBoard("second")]);
    await sweepBoth();
    expect(measured()).toEqual({ board: 6, second: 6 });
    expect(board.turns()).not.toContain(OVERLAP);
  });

  it("would measure at once if they were two boards", async () => {
    register(db, [board.record("board"), board.record("second")]);
    await sweepBoth();
    expect(board.turns()).toContain(OVERLAP);
  });

  it("measure one after the other for two processes, each with a sweep on one of them", async () => {
    register(db, [board.record("board"), onBoard("second")]);
    await Promise.all(
      ["board", "second"].map((device) =>
        coordinate(program, {
          sweep: { db, name: `on-${device}`, devices: [device], trials: 6 },
          agent,
          quiet: true,
        }),
      ),
    );
    expect(measured()).toEqual({ board: 6, second: 6 });
    expect(board.turns()).not.toContain(OVERLAP);
  });
});

describe.skipIf(sshdProblem() !== null)("registering a machine again", { timeout: 300_000 }, () => {
  it("under a second name tells that both are one host, and keeps it", async () => {
    const sshd = await startSshd();
    const folder = temporaryFolder();
    try {
      const env = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
      const edgefront = (...args: string[]) => runCli(args, folder.path, env);
      const add = (name: string) =>
        edgefront(
          ...["device", "add", name, "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
          ...["--fingerprint", sshd.hostKey, "--identity", sshd.identityFile, "--threads", "1"],
          ...["--target", hostTarget()!, "--json"],
        );
      const first = await add("box");
      expect(first.code, first.stderr).toBe(0);
      expect(JSON.parse(first.stdout).device).not.toHaveProperty("machine");
      const second = await add("again");
      expect(second.stderr).toContain("registered again on the host of box: the two take turns");
      const shown = await edgefront("device", "show", "again", "--json");
      expect(JSON.parse(shown.stdout).device).toMatchObject({ name: "again", machine: "box" });
    } finally {
      await sshd.stop();
      folder.remove();
    }
  });
});
