// The closed loop over SSH, through the command line: a real sshd on loopback, a login that is not root, a
// pinned host key. The same through an aarch64 build under an emulator, labelled as emulated.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { software } from "../../runner/base/version.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { emulationProblem, sshdProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

describe.skipIf(sshdProblem() !== null)("a sweep over SSH", { timeout: 240_000 }, () => {
  let sshd: TestSshd;
  let folder: ReturnType<typeof temporaryFolder>;
  let env: Record<string, string>;
  const run = (...args: string[]) => runCli(args, folder.path, env);
  const add = (name: string, ...extra: string[]) =>
    run(
      ...["device", "add", name, "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
      ...["--fingerprint", sshd.hostKey, ...extra],
    );
  // One thread, because the search for the best placement has its own test.
  const native = ["--target", process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux", "--threads", "1"];

  beforeAll(async () => {
    folder = temporaryFolder();
    sshd = await startSshd();
    env = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
  });
  afterAll(async () => {
    await sshd.stop();
    folder.remove();
  });

  it("registers a device, and refuses the wrong key, host key and name", async () => {
    expect(await add("box", ...native, "--identity", sshd.strangerFile)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^edgefront: .*(key|auth|login)/im),
    });
    const wrong = await run(
      ...[
        "device",
        "add",
        "box",
        "--host",
        sshd.host,
        "--port",
        String(sshd.port),
        "--user",
        sshd.user,
        ...native,
      ],
      ...["--fingerprint", `SHA256:${"A".repeat(43)}`],
    );
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("shows host key SHA256:") });
    expect(await add("Box!", ...native)).toMatchObject({ code: 2, stderr: expect.stringContaining("name") });
    expect(JSON.parse((await run("device", "list", "--json")).stdout).devices).toHaveLength(1);

    expect(await add("box", ...native, "--identity", sshd.identityFile)).toMatchObject({ code: 0 });
    expect(await add("box", ...native)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("already"),
    });
    const shown = await run("device", "show", "box");
    expect(shown.stdout).toContain(sshd.hostKey);
    expect(shown.stdout).toMatch(/memory bandwidth +[\d.]+ GB\/s/);
  });

  it("runs a sweep there, with the proposals and scores of the same sweep here", async () => {
    const config = writeTinySweep(folder.path, { name: "remote", devices: ["box"] });
    expect(await run("sweep", config, "--out", "remote.html")).toMatchObject({ code: 0 });
    const here = writeTinySweep(folder.path, { name: "here" });
    expect(await run("sweep", here, "--db", "here.db", "--out", "here.html")).toMatchObject({ code: 0 });
    const rows = (db: string, sql: string) => {
      const database = new Database(join(folder.path, db), { readonly: true });
      const result = database.prepare(sql).all();
      database.close();
      return result;
    };
    const scores = `SELECT t.candidate_id, m.value FROM trials t JOIN metrics m ON m.trial_id = t.id
      WHERE m.name = 'text.bitsPerByte' ORDER BY t.number`;
    expect(rows("edgefront.db", scores)).toEqual(rows("here.db", scores));
    const measured = rows("edgefront.db", "SELECT device, agent_sha256, request, result FROM measurements");
    expect(measured).toHaveLength(6);
    // Provenance that a reader of each number needs.
    for (const row of measured as {
      device: string;
      agent_sha256: string;
      request: string;
      result: string;
    }[]) {
      expect(row).toMatchObject({ device: "box", agent_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
      const { software: by, conduct, ...request } = JSON.parse(row.request);
      expect(by).toEqual(software());
      expect(Object.keys(by)).toEqual(["edgefront", "commit"]);
      expect(request).toMatchObject({ threads: 1, repetitions: 2, warmup: { max: 1 } });
      expect(conduct.rules).toMatchObject({ cvLimit: 0.05, rounds: 1 });
      const { modelSha256, isa, threads, affinity, ...result } = JSON.parse(row.result);
      expect(modelSha256).toMatch(/^[0-9a-f]{64}$/);
      expect({ isa, threads, cores: affinity.length }).toEqual({ isa: request.isa, threads: 1, cores: 1 });
      expect(Object.keys(result)).toEqual(expect.arrayContaining(["temperatureC", "frequencyMhz"]));
    }
  });

  it.skipIf(emulationProblem() !== null)(
    "runs it on an emulated aarch64 device, and says so everywhere",
    async () => {
      const emulated = ["--target", "aarch64-linux", "--emulator", "qemu-aarch64-static", "--threads", "2"];
      expect(await add("arm", ...emulated, "--identity", sshd.identityFile)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining("times say nothing about hardware"),
      });
      const config = writeTinySweep(folder.path, {
        name: "arm",
        devices: ["arm"],
        trials: 3,
        objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
      });
      const swept = await run("sweep", config, "--out", "arm.html");
      expect(swept).toMatchObject({ code: 0, stderr: expect.stringContaining("device arm (EMULATED)") });
      expect(swept.stdout.replace(/\s+/g, " ")).toMatch(
        /arm \(emul\.\).*under an emulator: says nothing about hardware/,
      );
      expect(readFileSync(join(folder.path, "arm.html"), "utf8")).toMatch(/"emulated":true/);
      expect((await run("report", "arm", "--format", "md")).stdout).toMatch(/emulated/i);
      expect((await run("device", "list")).stdout).toContain("EMULATED");
      const layout = "v256 d64 f64 h4/2x16 : c3 g";
      const one = await run(
        "measure",
        layout,
        "--device",
        "arm",
        "--contexts",
        "16",
        "--tokens",
        "4",
        "--repetitions",
        "1",
      );
      expect(one.stdout).toContain("EMULATED");
    },
  );

  it("keeps keys and paths out of the database and the report", async () => {
    const key = readFileSync(sshd.identityFile, "utf8");
    const secrets = [sshd.identityFile, key.split("\n")[2]!, folder.path];
    for (const name of ["edgefront.db", "remote.html"]) {
      const bytes = readFileSync(join(folder.path, name), "latin1");
      for (const secret of secrets) expect(bytes.includes(secret)).toBe(false);
    }
  });

  it("measures a GGUF file there, uploaded by its hash", async () => {
    const args = ["v256 d64 f64 h4/2x16 : c3 g", "--weights", "seed:1", "--out", "m.gguf"];
    expect(await run("compile", ...args)).toMatchObject({ code: 0 });
    const { stdout } = await run(
      ...[
        "measure",
        "m.gguf",
        "--device",
        "box",
        "--contexts",
        "16",
        "--tokens",
        "4",
        "--repetitions",
        "1",
        "--json",
      ],
    );
    expect(JSON.parse(stdout)).toMatchObject({
      device: "box",
      emulated: false,
      result: { weightsFrom: "file" },
    });
  });

  it("refuses a device whose host key changed, and writes nothing", async () => {
    await sshd.restart({ newHostKey: true });
    const config = writeTinySweep(folder.path, { name: "changed", devices: ["box"] });
    const refused = await run("sweep", config);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/^edgefront: .*host key/m) });
    expect((await run("sweeps")).stdout).not.toContain("changed");
  });
});

it("the aarch64 agent is what its name says", { timeout: 240_000 }, async ({ skip }) => {
  const problem = emulationProblem();
  if (problem !== null) skip(problem);
  const { buildAgent } = await import("../../runner/agent/build.ts");
  const binary = await buildAgent({ target: "aarch64-linux", kind: "agent" });
  const header = readFileSync(binary.path).subarray(0, 20);
  expect(header.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
  expect(header.readUInt16LE(18)).toBe(183); // EM_AARCH64
  expect(execFileSync("qemu-aarch64-static", [binary.path, "--version"], { encoding: "utf8" })).toContain(
    "edgefront-agent",
  );
});
