// The ssh transport to this machine through a real sshd.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { type SshOptions, SshTransport } from "../../runner/devices/ssh-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { startSshd, type TestSshd } from "./sshd.ts";

export const QUICK_TIMEOUTS = { connectMs: 5000, stepMs: 2000, keepaliveMs: 300, keepaliveTries: 3 };

export const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Registers the hooks of a group of tests: a server, a folder, and the agent for this machine. */
export function sshLoopback() {
  let sshd: TestSshd;
  let folder: string;
  let binary: AgentBinary;
  beforeAll(async () => {
    sshd = await startSshd();
    folder = mkdtempSync(join(tmpdir(), "edgefront-ssh-"));
    binary = await buildAgent({ target: hostTarget()!, kind: "agent" });
  });
  afterAll(async () => {
    await sshd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const record = (changes: Partial<SshDeviceRecord> = {}): SshDeviceRecord => ({
    name: "loopback",
    transport: "ssh",
    host: sshd.host,
    port: sshd.port,
    user: sshd.user,
    identityFile: sshd.identityFile,
    hostKey: sshd.hostKey,
    target: hostTarget()!,
    ...changes,
  });
  const transport = (changes: Partial<SshOptions> = {}) =>
    new SshTransport({ ...record(), timeouts: QUICK_TIMEOUTS, ...changes });
  const openError = async (changes: Partial<SshOptions>) => {
    const opened = transport(changes);
    const error = await opened.open().then(
      () => undefined,
      (e: unknown) => e,
    );
    await opened.close();
    return error;
  };
  const remoteFile = (name: string) => join(sshd.home, ".edgefront", name);
  return {
    record,
    transport,
    openError,
    remoteFile,
    get sshd(): TestSshd {
      return sshd;
    },
    get folder(): string {
      return folder;
    },
    get binary(): AgentBinary {
      return binary;
    },
  };
}
