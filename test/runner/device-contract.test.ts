// One suite for every way to reach an agent: a device behaves the same with any transport, instruction set
// and C library. Agents for devices over SSH are static musl builds wherever zig can build them; then the
// suite also checks that they are.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { type DeviceRecord, localDevice } from "../../runner/devices/device-record.ts";
import { archOf, hostTarget, type Target } from "../../runner/devices/toolchain.ts";
import { childrenOf, countingExamples, isAlive, planOf, until } from "../support/agents.ts";
import { emulationProblem, sshdProblem, zigProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";

const canConnect = sshdProblem() === null;
const canEmulate = canConnect && emulationProblem() === null;
const portable = zigProblem() === null ? "static musl" : "system's C library";

let sshd: TestSshd | undefined;
const overSsh = (target: Target, emulator?: "qemu-aarch64-static"): DeviceRecord => ({
  name: emulator ? "emulated" : "loopback",
  transport: "ssh",
  host: sshd!.host,
  port: sshd!.port,
  user: sshd!.user,
  identityFile: sshd!.identityFile,
  hostKey: sshd!.hostKey,
  target,
  ...(emulator ? { emulator } : {}),
});
const devices = [
  { name: "local", possible: true, record: localDevice },
  { name: `ssh, ${portable}`, possible: canConnect, record: () => overSsh(hostTarget()!) },
  {
    name: `ssh, aarch64 emulated, ${portable}`,
    possible: canEmulate,
    record: () => overSsh("aarch64-linux", "qemu-aarch64-static"),
  },
];

beforeAll(async () => {
  if (canConnect) sshd = await startSshd();
});
afterAll(async () => {
  await sshd?.stop();
});

const MEASURE = {
  contexts: [16, 24],
  decodeTokens: 5,
  repetitions: 3,
  warmup: { max: 2, tolerance: 0.03 },
  chunk: 8,
};
/** A job that would run for minutes. */
const ENDLESS = { model: { plan: planOf() }, contexts: [512], decodeTokens: 400, repetitions: 1000 };

for (const device of devices) {
  describe.skipIf(!device.possible)(`an agent on ${device.name}`, () => {
    let record: DeviceRecord;
    let session: AgentSession;
    let folder: string;
    beforeAll(async () => {
      record = device.record();
      session = await openSession(record);
      folder = mkdtempSync(join(sshd?.shared ?? tmpdir(), "job-"));
      chmodSync(folder, 0o777);
    });
    afterAll(async () => {
      await session?.close();
      if (folder) rmSync(folder, { recursive: true, force: true });
    });
    const startEndless = async (options: { signal?: AbortSignal; timeoutMs?: number } = {}) => {
      const { pid } = await session.hello;
      const result = session.request("measure", ENDLESS, options);
      result.catch(() => {});
      const child = await until("the job's process runs", () => childrenOf(pid)[0]);
      return { pid, child, result };
    };

    it("greets with its architecture", async () => {
      expect((await session.hello).arch).toBe(archOf(record.target));
    });

    it("probes the machine it runs on", async () => {
      const probe = await session.request("probe", {}, { timeoutMs: 120_000 });
      expect(probe.emulated).toBe(record.emulator !== undefined);
      expect(probe.isas).toContain("scalar");
      if (record.transport === "ssh" && portable === "static musl") expect(probe.libc).toBe("musl");
      expect(probe.isas).toContain(probe.isa);
      expect(probe.allowedCpus.length).toBeGreaterThan(0);
      expect(probe.memoryBytes).toBeGreaterThan(probe.availableBytes);
      for (const rate of [probe.readBandwidthGBs, probe.int8Gops, probe.fp32Gflops])
        expect(rate).toBeGreaterThan(0.01);
    }, 180_000);

    it("measures a plan and reports every raw sample", async () => {
      const phases: string[] = [];
      const model = { plan: planOf() };
      const result = await session.request(
        "measure",
        { model, ...MEASURE },
        { onProgress: (p) => phases.push(p.phase) },
      );
      expect(result.weightsFrom).toBe("seed");
      expect(result.contexts.map((c) => c.context)).toEqual(MEASURE.contexts);
      for (const context of result.contexts) {
        expect(context.ttftMs).toHaveLength(3);
        expect(context.decodeMs.map((tokens) => tokens.length)).toEqual([4, 4, 4]);
        for (const ms of [...context.ttftMs, ...context.decodeMs.flat()]) expect(ms).toBeGreaterThan(0);
        expect(context.warmups).toBeLessThanOrEqual(2);
        for (const [i, ttft] of context.ttftMs.entries())
          expect(ttft).toBeGreaterThanOrEqual(context.prefillMs[i]!);
      }
      expect(result.firstTokenMs).toBeGreaterThan(result.loadMs);
      expect(result.memory.peakBytes).toBeGreaterThanOrEqual(result.plan.weightBytes);
      expect(result.affinity).toHaveLength(result.threads);
      expect(new Set(phases)).toEqual(new Set(["load", "warmup", "measure"]));
      const again = await session.request("measure", { model, ...MEASURE });
      expect(again.outputHash).toBe(result.outputHash);
      expect(again.modelSha256).toBe(result.modelSha256);
    });

    it("verifies: chunks, prefill and decode, and the scalar path agree", async () => {
      const tokens = Array.from({ length: 20 }, (_, i) => (i * 37) % 512);
      for (const quantization of ["f32", "q4_0"] as const) {
        const model = { plan: planOf(undefined, quantization) };
        const result = await session.request("verify", {
          model,
          tokens,
          prefill: 13,
          chunk: 4,
          logits: "last",
          checks: true,
        });
        expect(result.checks.map((c) => c.name)).toEqual(["chunking", "prefill-decode", "scalar-twin"]);
        for (const check of result.checks) expect(check, JSON.stringify(check)).toMatchObject({ pass: true });
        expect(result.positions).toEqual([19]);
        const bytes = Buffer.from(result.logits, "base64");
        expect(bytes.length).toBe(512 * 4);
        for (let i = 0; i < 512; i++) expect(Number.isFinite(bytes.readFloatLE(4 * i))).toBe(true);
      }
    });

    it("materializes a plan into a file that measures the same", async () => {
      const out = join(folder, "tiny.gguf");
      const plan = planOf();
      const written = await session.request("materialize", { model: { plan }, out });
      expect(written.bytes).toBeGreaterThan(100_000);
      const fromFile = await session.request("measure", { model: { path: out }, ...MEASURE });
      const fromSeed = await session.request("measure", { model: { plan }, ...MEASURE });
      expect(fromFile.weightsFrom).toBe("file");
      expect(fromFile.modelSha256).toBe(written.sha256);
      expect(fromFile.outputHash).toBe(fromSeed.outputHash);
    });

    it("trains, and the loss of a trivial task falls", async () => {
      const train = join(folder, "train.efd");
      writeFileSync(train, countingExamples(64, 16, 32));
      const losses: number[] = [];
      const result = await session.request(
        "train",
        {
          model: { plan: planOf("v32 d32 f64 h2/1x16 : c3 g", "f32") },
          seed: 1,
          data: { kind: "examples", train, validation: train, length: 16 },
          steps: 40,
          batch: 8,
          reportEvery: 10,
        },
        { onProgress: (p) => losses.push(p.loss) },
      );
      expect(losses).toHaveLength(4);
      expect(result.validation.loss).toBeLessThan(Math.log(32) * 0.7);
      expect(result.steps).toBe(40);
    });

    it("refuses a broken model and lives on", async () => {
      const plan = Buffer.from(planOf(), "base64");
      for (const length of [0, 3, 4, 24, 100, Math.floor(plan.length / 2), plan.length - 33]) {
        const request = session.request("measure", {
          model: { plan: plan.subarray(0, length).toString("base64") },
        });
        await expect(request, `cut at ${length}`).rejects.toMatchObject({
          code: "bad-model",
          blame: "candidate",
        });
      }
      await expect(session.request("measure", { model: { plan: "a" } })).rejects.toMatchObject({
        code: "bad-request",
      });
      await expect(session.request("measure", { model: { path: "/nowhere.gguf" } })).rejects.toMatchObject({
        code: "io",
      });
      await expect(
        session.request("measure", { model: { plan: planOf() }, isa: "z80" }),
      ).rejects.toMatchObject({
        code: "bad-request",
      });
    });

    it("cancels a running job and takes the next", async () => {
      const controller = new AbortController();
      const { child, result } = await startEndless({ signal: controller.signal });
      controller.abort();
      await expect(result).rejects.toMatchObject({ code: "job-cancelled" });
      expect(isAlive(child)).toBe(false);
      await expect(
        session.request("measure", { model: { plan: planOf() }, ...MEASURE }),
      ).resolves.toBeDefined();
    });

    it("ends a job that runs past its time", async () => {
      const { result } = await startEndless({ timeoutMs: 1500 });
      await expect(result).rejects.toMatchObject({ code: "timeout" });
    });

    it("tells a crash by its signal, and lives on", async () => {
      const { child, result } = await startEndless();
      process.kill(child, "SIGSEGV");
      await expect(result).rejects.toMatchObject({ code: "crashed", signal: "SIGSEGV", blame: "candidate" });
      const second = await startEndless();
      process.kill(second.child, "SIGKILL");
      await expect(second.result).rejects.toMatchObject({ code: "crashed", signal: "SIGKILL" });
      await expect(
        session.request("measure", { model: { plan: planOf() }, ...MEASURE }),
      ).resolves.toBeDefined();
    });

    it("runs one job at a time, in order", async () => {
      const order: number[] = [];
      const measure = (i: number) =>
        session.request("measure", { model: { plan: planOf() }, ...MEASURE }).then(() => order.push(i));
      await Promise.all([measure(1), measure(2), measure(3)]);
      expect(order).toEqual([1, 2, 3]);
    });

    it("takes its child with it when the coordinator goes", async () => {
      const { pid, child, result } = await startEndless();
      await session.close();
      await expect(result).rejects.toMatchObject({ code: "transport-lost" });
      await until("agent and child are gone", () => !isAlive(pid) && !isAlive(child));
      session = await openSession(record);
    });

    it("reports a killed agent as lost, and its child dies too", async () => {
      const { pid, child, result } = await startEndless();
      process.kill(pid, "SIGKILL");
      await expect(result).rejects.toMatchObject({ code: "transport-lost", blame: "device" });
      await until("the child is gone", () => !isAlive(child));
      await expect(session.request("probe", {})).rejects.toMatchObject({ code: "transport-lost" });
      session = await openSession(record);
    });
  });
}
