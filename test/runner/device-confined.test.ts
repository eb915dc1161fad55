// A key bound to the agent by a forced command, against a real sshd. Everything uses the one serve channel,
// files come in pieces, and only jobs and data files are allowed.
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { publicKeyLine } from "../../runner/devices/credentials.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { serveCommand } from "../../runner/devices/ssh-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { planOf } from "../support/agents.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";

const model = { plan: planOf() };
const SHORT = { contexts: [16], decodeTokens: 4, repetitions: 1, warmup: { max: 1, tolerance: 0.5 } };

describe.skipIf(sshdProblem() !== null)("a key bound to the agent", () => {
  let sshd: TestSshd;
  let binary: AgentBinary;
  let record: SshDeviceRecord;
  let session: AgentSession;
  const bytes = randomBytes(20_000_000);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  let file: string;
  const inHome = (name: string) => join(sshd.home, ".edgefront", name);

  beforeAll(async () => {
    sshd = await startSshd();
    file = join(sshd.shared, "file");
    writeFileSync(file, bytes);
    binary = await buildAgent({ target: hostTarget()!, kind: "agent" });
    const { host, port, user, identityFile, hostKey } = sshd;
    record = {
      name: "bound",
      transport: "ssh",
      host,
      port,
      user,
      identityFile,
      hostKey,
      target: hostTarget()!,
    };
    // A first, unrestricted login installs the agent. Then the line restricts the key.
    const free = await openSession(record, { binary });
    expect((await free.hello).confined).toBeUndefined();
    await free.close();
    const command = serveCommand(binary.sha256, { confined: true });
    sshd.setAuthorizedKeys(`command="${command}",restrict ${await publicKeyLine(record)}`);
    session = await openSession(record, { binary });
  });
  afterAll(async () => {
    await session?.close();
    await sshd?.stop();
  });

  it("starts the agent, which says that it is confined and which build it is", async () => {
    expect(await session.hello).toMatchObject({ confined: true, sha256: binary.sha256 });
  });

  it("measures, on the cores asked for", async () => {
    // A CPU that any process here may use.
    const [cpu] = (await session.request("measure", { model, ...SHORT, threads: 1 })).affinity as [number];
    const result = await session.request("measure", { model, ...SHORT, cpus: [cpu] });
    expect(result.affinity).toEqual([cpu]);
    // If CPUs are withheld, the agent reports the ones that it ran on.
    const elsewhere = await session.request("measure", { model, ...SHORT, threads: 1, cpus: [1000] });
    expect(elsewhere.affinity).not.toEqual([1000]);
  });

  it("receives a file in pieces, once, and continues an interrupted transfer", async () => {
    const name = `models/${sha256}.gguf`;
    expect(await session.upload(file, name, sha256)).toBe(`.edgefront/${name}`);
    expect(readFileSync(inHome(name)).equals(bytes)).toBe(true);
    expect(statSync(inHome(name)).mode & 0o777).toBe(0o600);
    const { ino } = statSync(inHome(name));
    await session.upload(file, name, sha256);
    expect(statSync(inHome(name)).ino).toBe(ino);

    const begun = { name: "models/begun", sha256, bytes: bytes.length, offset: 0 };
    const data = bytes.subarray(0, 5_000_000).toString("base64");
    expect(await session.request("put", { ...begun, data })).toEqual({ bytes: 5_000_000, complete: false });
    // A repeated piece is not appended twice.
    expect(await session.request("put", { ...begun, data })).toEqual({ bytes: 5_000_000, complete: false });
    await session.upload(file, begun.name, sha256);
    expect(readFileSync(inHome(begun.name)).equals(bytes)).toBe(true);
    expect(readdirSync(inHome("models")).sort()).toEqual([`${sha256}.gguf`, "begun"].sort());
  });

  it("keeps no file whose hash is another, and none where no data belongs", async () => {
    await expect(session.upload(file, "models/wrong", "0".repeat(64))).rejects.toMatchObject({ code: "io" });
    expect(readdirSync(inHome("models")).filter((name) => name.startsWith("wrong"))).toEqual([]);
    for (const name of ["agents/x", "../x", "models/../../.ssh/authorized_keys", "/tmp/x", "models/.x"]) {
      const piece = { name, sha256, bytes: 1, offset: 0, data: "AA==" };
      await expect(session.request("put", piece), name).rejects.toMatchObject({ code: "bad-request" });
    }
  });

  it("neither reads nor writes anywhere else", async () => {
    for (const path of [
      "/etc/passwd",
      ".ssh/authorized_keys",
      ".edgefront/../.profile",
      ".edgefront/models/../agents/x",
    ]) {
      await expect(session.request("measure", { model: { path } }), path).rejects.toMatchObject({
        code: "bad-request",
        message: expect.stringContaining("confined"),
      });
    }
    const out = ".ssh/authorized_keys";
    await expect(session.request("materialize", { model, out })).rejects.toMatchObject({
      code: "unsupported",
    });
    const data = { kind: "examples" as const, train: "/etc/passwd", validation: "/etc/passwd", length: 4 };
    await expect(
      session.request("train", { model, seed: 1, data, steps: 1, batch: 1 }),
    ).rejects.toMatchObject({
      code: "unsupported",
    });
  });

  it("is refused where the line starts another build than is needed", async () => {
    await expect(openSession(record, { binary: { ...binary, sha256: "0".repeat(64) } })).rejects.toThrow(
      /another build of the agent.*--print-authorized-key/,
    );
  });
});
