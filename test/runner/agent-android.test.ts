// Android's demands on an agent, tested without a phone: the static musl build makes none of the system calls
// that end an app with SIGSYS. On x86-64 a filter like Android's enforces this. The aarch64 build is traced
// under its emulator.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import { LocalTransport } from "../../runner/devices/local-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { planOf } from "../support/agents.ts";
import { emulationProblem, hostProblem, zigProblem } from "../support/needs.ts";

const MEASURE = {
  contexts: [16],
  decodeTokens: 4,
  repetitions: 1,
  warmup: { max: 1, tolerance: 0.5 },
  threads: 2,
};

describe.skipIf(zigProblem() !== null)("the portable agent on Android's terms", { timeout: 600_000 }, () => {
  let folder: string;
  let filter: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "edgefront-android-"));
    filter = join(folder, "android-filter");
    execFileSync("cc", ["-O1", "-o", filter, join(import.meta.dirname, "..", "support", "android-filter.c")]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs every kind of job. Each starts a child and threads. */
  const exercise = async (path: string) => {
    const session = await AgentSession.start(new LocalTransport(), { path, sha256: "" });
    const model = { plan: planOf() };
    const measured = await session.request("measure", { model, ...MEASURE });
    const verified = await session.request("verify", {
      model,
      tokens: [1, 2, 3, 4],
      checks: true,
      logits: "none",
    });
    const out = join(folder, "tiny.gguf");
    const written = await session.request("materialize", { model, out });
    const fromFile = await session.request("measure", { model: { path: out }, ...MEASURE });
    await session.close();
    expect(measured.threads).toBe(2);
    for (const check of verified.checks) expect(check).toMatchObject({ pass: true });
    expect(fromFile).toMatchObject({ modelSha256: written.sha256, outputHash: measured.outputHash });
  };

  it.skipIf(hostProblem() !== null)(
    "runs every job under a filter that kills programs of glibc",
    async () => {
      // Proof that the filter works: any program with this system's own C library dies under it before its
      // main.
      expect(spawnSync(filter, ["/bin/true"]).signal).toBe("SIGSYS");
      const { path } = await buildAgent({ target: hostTarget()!, kind: "agent", portable: true });
      const filtered = join(folder, "filtered-agent");
      writeFileSync(filtered, `#!/bin/sh\nexec '${filter}' '${path}' "$@"\n`, { mode: 0o700 });
      // The shell launches the filter; it does not run under it.
      await exercise(filtered);
    },
  );

  it.skipIf(emulationProblem() !== null)("makes none of those calls on aarch64, in any process", async () => {
    const { path } = await buildAgent({ target: "aarch64-linux", kind: "agent", portable: true });
    const traced = { QEMU_STRACE: "1", QEMU_LOG_FILENAME: join(folder, "trace.%d") };
    // A transport does not pass on the environment.
    const launcher = join(folder, "traced-agent");
    const variables = Object.entries(traced)
      .map(([name, value]) => `${name}='${value}'`)
      .join(" ");
    writeFileSync(
      launcher,
      `#!/bin/sh\nexec env EDGEFRONT_EMULATOR=qemu-aarch64-static ${variables} qemu-aarch64-static '${path}' "$@"\n`,
      { mode: 0o700 },
    );
    await exercise(launcher);
    const traces = readdirSync(folder).filter((name) => name.startsWith("trace."));
    expect(traces.length).toBeGreaterThanOrEqual(5); // the agent, and one child per job
    const calls = new Set(
      traces.flatMap((name) =>
        [...readFileSync(join(folder, name), "utf8").matchAll(/^\d+ ([a-z0-9_]+)\(/gm)].map(
          ([, call]) => call!,
        ),
      ),
    );
    expect([...calls]).toEqual(expect.arrayContaining(["clone", "futex", "execve", "mmap"]));
    const refused = execFileSync(filter, ["--names"], { encoding: "utf8" }).trim().split("\n");
    expect(refused.filter((name) => calls.has(name))).toEqual([]);
  });
});
