// The PyTorch backend through the command line: the same layout, seed, batches and schedule as the native
// trainer, here and on a device over SSH (a real sshd on loopback, a login that is not root). `npm run
// compare:trainer` compares them element by element.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem, torchProblem, torchPython } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

describe.skipIf(torchProblem() !== null)("trainer: pytorch", { timeout: 120_000 }, () => {
  const folder = temporaryFolder();
  const config = writeTinySweep(folder.path, { steps: 12 });
  const env: Record<string, string> = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
  const run = (...args: string[]) => runCli(args, folder.path, env);
  let native: { readonly metrics: readonly { readonly value: number }[] };

  const score = async (trainer: string, layout = "v256 d64 f128 h4/2x16 : c3 g") => {
    const path = join(folder.path, "torch.yaml");
    writeFileSync(path, readFileSync(config, "utf8").replace("score:\n", `score:\n  trainer: ${trainer}\n`));
    const { code, stdout, stderr } = await run("score", layout, "--config", path, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  beforeAll(async () => {
    native = await score("native");
  });
  afterAll(() => folder.remove());

  it("scores as the native trainer does", async () => {
    const { metrics, runs } = await score(`{ backend: pytorch, python: ${torchPython} }`);
    expect(runs[0].result.isa).toMatch(/^torch-/);
    expect(metrics[0].value).toBeCloseTo(native.metrics[0]!.value, 4);
  });

  it.each([
    ["delta rules", "v256 d64 f128 h4/2x16 : gdn(2/4x16/24k3) gdn.conv(2x24) g"],
    ["linear attention", "v256 d64 f128 h4/2x16 : lin(3x20) gla(2x12/24) g"],
    ["delta rules by channel", "v256 d64 f128 h4/2x16 : kda(3x16k3) kda.conv(2x24) g"],
    ["filters", "v256 d64 f128 h4/2x16 : s4d(16) rtf(8) ls4(8) g"],
    ["Mamba and CfC", "v256 d64 f128 h4/2x16 : m1(n8k3) m1.conv(e1.5) cfc g"],
    ["gates, partial RoPE and norms", "v256 d64 f128 h4/2x16or6 n2 : c3 g s9(2/1x32r0) g(4/1x16o)^1"],
    ["layers that share", "v256 d64 f128 h4/2x16 : 2*[c3^2 g(4/2x16o) g<(4/2x16o) s9] 2*s9<"],
    ["parallel layers", "v256 d64 f128 h4/2x16 : 2*g(4/2x16o)+m2(x8n16) s9+gdn(1/2x16)^2 s9<+c3 g"],
  ])("scores %s as the native trainer does", async (_what, layout) => {
    const ours = await score("native", layout);
    const theirs = await score(`{ backend: pytorch, python: ${torchPython} }`, layout);
    expect(theirs.metrics[0].value).toBeCloseTo(ours.metrics[0].value, 4);
    for (const [n, [step, loss]] of theirs.runs[0].result.trainLoss.entries()) {
      expect(step).toBe(ours.runs[0].result.trainLoss[n][0]);
      expect(loss).toBeCloseTo(ours.runs[0].result.trainLoss[n][1], 4);
    }
  });

  it("ends a run where the native trainer does, by the same looks", async () => {
    const path = join(folder.path, "stop.yaml");
    const looked = async (trainer: string) => {
      writeFileSync(
        path,
        readFileSync(config, "utf8")
          .replace("score:\n", `score:\n  trainer: ${trainer}\n`)
          .replace("steps: 12,", "steps: 12, stop: { every: 2, patience: 2, improvement: 0.5 },"),
      );
      const { code, stdout, stderr } = await run(
        ...["score", "v256 d64 f128 h4/2x16 : c3 g", "--config", path, "--json"],
      );
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout).runs[0].result;
    };
    const ours = await looked("native");
    const theirs = await looked(`{ backend: pytorch, python: ${torchPython} }`);
    expect([theirs.stopped, theirs.steps]).toEqual(["plateau", 6]);
    expect([ours.stopped, ours.steps]).toEqual(["plateau", 6]);
    for (const [n, [step, loss, accuracy]] of theirs.looks.entries()) {
      expect(step).toBe(ours.looks[n][0]);
      expect(loss).toBeCloseTo(ours.looks[n][1], 4);
      expect(accuracy).toBeCloseTo(ours.looks[n][2], 2);
    }
  });

  it("trains a sweep, beside the agent that measures on the same machine", async () => {
    const path = join(folder.path, "sweep.yaml");
    const trainer = `{ backend: pytorch, python: ${torchPython} }`;
    writeFileSync(path, readFileSync(config, "utf8").replace("score:\n", `score:\n  trainer: ${trainer}\n`));
    const { code, stdout, stderr } = await run("sweep", path, "--name", "torch", "--json");
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout).points.length).toBeGreaterThan(0);
    expect(await run("sweep", path, "--name", "torch", "--resume")).toMatchObject({ code: 0 });
  });

  describe.skipIf(sshdProblem() !== null)("on a device over SSH", () => {
    let sshd: TestSshd;
    beforeAll(async () => {
      sshd = await startSshd();
    });
    afterAll(() => sshd.stop());

    it("scores the same, from the data that was sent there", async () => {
      const added = await run(
        ...["device", "add", "gpubox", "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
        ...["--fingerprint", sshd.hostKey, "--identity", sshd.identityFile, "--threads", "1"],
        ...["--target", process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux"],
      );
      expect(added.code, added.stderr).toBe(0);
      const { metrics, runs } = await score(`{ backend: pytorch, python: ${torchPython}, device: gpubox }`);
      expect(runs[0].result.isa).toMatch(/^torch-/);
      expect(metrics[0].value).toBeCloseTo(native.metrics[0]!.value, 4);
    });
  });
});
