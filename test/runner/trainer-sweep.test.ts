// A sweep whose trainer is another program than the agent, like PyTorch: here and on a device over SSH. The
// trainer is scripted (it stands in for a Python with torch), because its start beside the agent is tested.
// test/runner/pytorch.test.ts does the same with a real one.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scriptedAgent } from "../faults/farm.ts";
import type { AgentScript } from "../support/agent-script.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const TRIALS = 3;
const folder = temporaryFolder();
const env = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
const run = (...args: string[]) => runCli(args, folder.path, env);
const query = <T>(sql: string): T[] => {
  const db = new Database(join(folder.path, "edgefront.db"), { readonly: true });
  try {
    return db.prepare(sql).all() as T[];
  } finally {
    db.close();
  }
};

/** A "python" that ignores the given module and speaks the agent protocol by a script. */
let built: string;
function scriptedPython(name: string, script: AgentScript): string {
  const home = join(folder.path, name);
  mkdirSync(home, { recursive: true });
  const program = join(home, "trainer.cjs");
  copyFileSync(built, program);
  writeFileSync(join(home, "script.json"), JSON.stringify(script));
  const path = join(home, "python");
  writeFileSync(path, `#!/bin/sh\nHOME=${home} exec ${process.execPath} ${program} serve\n`);
  for (const file of [home, program, path]) chmodSync(file, 0o755);
  return path;
}

function configOf(name: string, trainer: string, devices = ["local"]): string {
  const path = writeTinySweep(folder.path, { name, trials: TRIALS, devices });
  writeFileSync(path, readFileSync(path, "utf8").replace("score:\n", `score:\n  trainer: ${trainer}\n`));
  return path;
}

const ended = (name: string) =>
  query<{ state: string; n: number }>(
    `SELECT t.state, count(*) AS n FROM trials t JOIN sweeps s ON s.id = t.sweep_id WHERE s.name = '${name}' GROUP BY 1`,
  );

beforeAll(async () => {
  chmodSync(folder.path, 0o755);
  built = (await scriptedAgent()).path;
});
afterAll(() => folder.remove());

describe("a sweep with trainer: pytorch", { timeout: 120_000 }, () => {
  it.each([
    [
      "that names the boot of this machine",
      { bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() },
    ],
    ["that says nothing of the boot", { bootId: "pytorch" }],
  ])("starts beside the agent of the same device: a trainer %s", async (what, says) => {
    const name = what.includes("nothing") ? "silent" : "named";
    const python = scriptedPython(name, { ...says, only: ["probe", "train"] });
    const config = configOf(name, `{ backend: pytorch, python: ${python} }`);
    const { code, stderr } = await run("sweep", config);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^device local: Scripted CPU, 1 core, scalar, trains$/m);
    expect(ended(name)).toEqual([{ state: "complete", n: TRIALS }]);
    // None of these events is a restart or a fault of the device.
    expect(
      query("SELECT kind FROM events WHERE kind IN ('rebooted', 'device-fault', 'quarantined', 'fault')"),
    ).toEqual([]);
    expect(await run("sweep", config, "--resume")).toMatchObject({ code: 0 });
  });

  it("goes on after the trainer died, which says nothing of the device's arithmetic", async () => {
    const python = scriptedPython("dies", { only: ["probe", "train"] });
    // Dies at its first training, once.
    const home = join(folder.path, "dies");
    writeFileSync(
      python,
      `#!/bin/sh\nif mkdir ${home}/once 2>/dev/null; then export DIE=1; fi\nHOME=${home} exec ${process.execPath} ${join(home, "dying.cjs")} serve\n`,
    );
    writeFileSync(
      join(home, "dying.cjs"),
      `if (process.env.DIE) { const on = process.stdin.on.bind(process.stdin); process.stdin.on = (name, f) => on(name, name !== "data" ? f : (chunk) => { if (String(chunk).includes('"train"')) process.exit(3); f(chunk); }); }\n` +
        `require("./trainer.cjs");\n`,
    );
    const { code, stderr } = await run("sweep", configOf("dies", `{ backend: pytorch, python: ${python} }`));
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/the agent ended \(status 3\)/);
    expect(ended("dies")).toEqual([{ state: "complete", n: TRIALS }]);
  });

  it("says in one line what is missing", async () => {
    const { code, stderr } = await run(
      ...["sweep", configOf("missing", `{ backend: pytorch, python: ${folder.path}/no-python }`)],
    );
    expect(code).toBe(1);
    expect(stderr.trim().split("\n").at(-1)).toMatch(/^edgefront: .*(not found|could not be started|ENOENT)/);
    expect((await run("sweeps")).stdout).not.toContain("missing");
  });

  describe.skipIf(sshdProblem() !== null)("on a device over SSH", () => {
    let sshd: TestSshd;
    beforeAll(async () => {
      sshd = await startSshd();
      const added = await run(
        ...["device", "add", "gpubox", "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
        ...["--fingerprint", sshd.hostKey, "--identity", sshd.identityFile, "--threads", "1"],
        ...["--target", process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux"],
      );
      expect(added.code, added.stderr).toBe(0);
    });
    afterAll(() => sshd.stop());

    it.each([
      ["that is not measured", ["local"]],
      ["that is measured too", ["local", "gpubox"]],
    ])("trains there, on one %s", async (what, devices) => {
      const name = what.includes("not") ? "far" : "both";
      const python = scriptedPython(name, { only: ["probe", "train"] });
      const { code, stderr } = await run(
        "sweep",
        configOf(name, `{ backend: pytorch, python: ${python}, device: gpubox }`, devices),
      );
      expect(code, stderr).toBe(0);
      expect(ended(name)).toEqual([{ state: "complete", n: TRIALS }]);
      expect(
        query("SELECT DISTINCT device FROM jobs WHERE kind = 'train' AND device = 'gpubox'"),
      ).toHaveLength(1);
    });
  });
});
