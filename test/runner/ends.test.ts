// How a sweep ends or continues: readers of its output that go away, signals of terminals and batch systems,
// and the remains for the next command. Each through the real command line.

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { childrenOf, isAlive, until } from "../support/agents.ts";
import { CLI, runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

/** State of the sweep, and the number of its complete trials. */
function sweepState(): { state: string; complete: number; owner: string | null } {
  const db = new Database(join(folder.path, "edgefront.db"), { readonly: true });
  try {
    const { state, owner } = db.prepare("SELECT state, owner FROM sweeps").get() as {
      state: string;
      owner: string;
    };
    const { n } = db.prepare("SELECT count(*) AS n FROM trials WHERE state = 'complete'").get() as {
      n: number;
    };
    return { state, owner, complete: n };
  } finally {
    db.close();
  }
}

/** Long enough to be stopped in the middle. */
const longSweep = (): string => writeTinySweep(folder.path, { trials: 40, depth: 6, steps: 30 });

/** Starts a sweep and waits until it has finished at least one trial. */
async function running(env: Record<string, string> = {}) {
  const sweep = startCli(["sweep", longSweep(), "--resume"], folder.path, env);
  let said = "";
  sweep.child.stderr!.on("data", (text: string) => {
    said += text;
  });
  await until("a trial has ended", () => /^trial \d/m.test(said), 120_000);
  return { ...sweep, said: () => said };
}

describe("a sweep", { timeout: 240_000 }, () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"] as const)(
    "stopped by %s ends with 130 and one line, leaves no process, and goes on with the same command",
    async (signal) => {
      const { child, finished } = await running();
      const agents = childrenOf(child.pid!);
      child.kill(signal);
      const { code, stderr } = await finished;
      expect(code).toBe(130);
      expect(stderr.trim().split("\n").at(-1)).toMatch(
        /^edgefront: interrupted: finished work is kept.*--resume/,
      );
      expect(stderr).not.toMatch(/debugger/i);
      expect(agents.filter(isAlive)).toEqual([]);
      const { state, owner, complete } = sweepState();
      expect({ state, owner }).toEqual({ state: "running", owner: null });
      expect(complete).toBeGreaterThan(0);
      expect(readdirSync(folder.path).filter((name) => /part|report/.test(name))).toEqual([]);
    },
  );

  it("continues under nohup when the terminal closes, and still ends by SIGTERM", async () => {
    const { child, finished, said } = await running({ _: "/usr/bin/nohup" });
    child.kill("SIGHUP");
    const before = said().length;
    await until("it goes on", () => said().length > before + 100, 60_000);
    child.kill("SIGTERM");
    expect(await finished).toMatchObject({ code: 130 });
  });

  it("ends at once when it is told twice, but not when one Ctrl-C arrives twice", async () => {
    const { child, finished } = await running();
    child.kill("SIGINT");
    child.kill("SIGINT");
    expect(await finished).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/finished work .*is kept/),
    });
  });

  it.each([
    ["is closed", (stderr: NodeJS.ReadableStream & { destroy(): void }) => stderr.destroy()],
    ["is not read any more", (stderr: NodeJS.ReadableStream) => stderr.pause()],
  ])("whose stderr %s is measured to its end", async (_what, spoil) => {
    const config = writeTinySweep(folder.path, { trials: 6 });
    const { child, finished } = startCli(["sweep", config], folder.path);
    await new Promise((resolve) => child.stderr!.once("data", resolve));
    spoil(child.stderr as never);
    const exit = new Promise((resolve) => child.once("exit", resolve));
    expect(await exit).toBe(0);
    child.stderr!.resume();
    await finished;
    expect(sweepState()).toMatchObject({ state: "complete", complete: 6 });
    expect(existsSync(join(folder.path, "report-tiny.html"))).toBe(true);
  });

  it("whose stderr is a full disk, and whose stdin is closed, is measured to its end", async () => {
    const config = writeTinySweep(folder.path, { trials: 3, train: false });
    const full = openSync("/dev/full", "w");
    const child = spawn("bash", ["-c", `exec <&-; exec ${process.execPath} ${CLI} sweep ${config}`], {
      cwd: folder.path,
      stdio: ["ignore", "ignore", full],
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(0);
    closeSync(full);
    expect(sweepState()).toMatchObject({ state: "complete", complete: 3 });
  });

  it("whose result nobody reads still has its report", async () => {
    const config = writeTinySweep(folder.path, { trials: 2, train: false });
    const { child, finished } = startCli(["sweep", config, "--json"], folder.path);
    child.stdout!.destroy();
    expect((await finished).code).toBe(0);
    expect(readFileSync(join(folder.path, "report-tiny.html"), "utf8")).toContain("tiny");
  });

  it("is started by --resume if it does not exist; a second --resume continues it, or finds it complete", async () => {
    const config = writeTinySweep(folder.path, { trials: 2, train: false });
    for (let times = 0; times < 2; times++)
      expect(await runCli(["sweep", config, "--resume"], folder.path)).toMatchObject({ code: 0 });
    expect(sweepState()).toMatchObject({ state: "complete", complete: 2 });
  });
});

describe("training", { timeout: 120_000 }, () => {
  it.each(["SIGTERM", "SIGHUP"] as const)("stopped by %s leaves no agent", async (signal) => {
    const config = writeTinySweep(folder.path, { steps: 1_000_000 });
    const layout = "v256 d64 f64 h4/2x16 : c3 g";
    const { child, finished } = startCli(["score", layout, "--config", config, "--out", "kept"], folder.path);
    await until(
      "it trains",
      () => childrenOf(child.pid!).some((agent) => childrenOf(agent).length > 0),
      60_000,
    );
    const agents = childrenOf(child.pid!).flatMap((agent) => [agent, ...childrenOf(agent)]);
    child.kill(signal);
    expect(await finished).toMatchObject({ code: 130, stdout: "" });
    await sleep(100);
    expect(agents.filter(isAlive)).toEqual([]);
    expect(readdirSync(join(folder.path, "kept"))).toEqual([]);
  });
});
