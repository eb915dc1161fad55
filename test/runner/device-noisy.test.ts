// Devices whose shells print: output of start-up files before, between and after an agent's answers is
// ignored. Also servers that allow one channel at a time. All against a real sshd, with bash as the login's
// shell.
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { planOf } from "../support/agents.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { makesLogins, startSshd, type TestSshd } from "../support/sshd.ts";

const MEASURE = { model: { plan: planOf() }, contexts: [64], decodeTokens: 8, repetitions: 2 };

describe.skipIf(sshdProblem() !== null || !makesLogins)("a device", { timeout: 120_000 }, () => {
  let sshd: TestSshd;
  let binary: AgentBinary;
  let folder: ReturnType<typeof temporaryFolder>;
  beforeAll(async () => {
    sshd = await startSshd();
    binary = await buildAgent({ target: hostTarget()!, kind: "agent" });
    folder = temporaryFolder();
  });
  afterAll(async () => {
    await sshd?.stop();
    folder?.remove();
  });
  afterEach(() => sshd.setStartUp(""));
  const record = (): SshDeviceRecord => ({
    name: "noisy",
    transport: "ssh",
    host: sshd.host,
    port: sshd.port,
    user: sshd.user,
    identityFile: sshd.identityFile,
    hostKey: sshd.hostKey,
    target: hostTarget()!,
  });
  const works = async (): Promise<void> => {
    const session = await openSession(record(), { binary });
    try {
      const first = await session.request("measure", MEASURE);
      expect(first.outputHash).toBe((await session.request("measure", MEASURE)).outputHash);
    } finally {
      await session.close();
    }
  };

  it.each([
    ["a line", 'echo "Welcome to lab7, quota 83% used"'],
    ["an empty line", "echo"],
    ["a title sequence without a line's end", "printf '\\033]0;lab7\\007'"],
    ["bytes that are no text", "head -c 3000 /dev/urandom"],
    ["zeros without a line's end", "head -c 3000 /dev/zero"],
    ["carriage returns", "printf 'a\\r\\nb\\r\\n'"],
    ["a long message of the day", 'for i in $(seq 3000); do echo "line $i of the message of the day"; done'],
    ["JSON", 'printf \'{\\n "ip": "10.0.0.1"\\n}\\n[1]\\n\''],
    ["the marks of the first question", 'echo "edgefront-begins"; echo "echo edgefront-begins; uname"'],
    ["something after a second", "sleep 1; echo slow"],
    ["to stderr", "echo oops >&2"],
    ["something, and sets -e", "set -e; echo strict"],
    [
      "something in the background, while the agent works",
      '(for i in $(seq 40); do sleep 0.1; echo "message $i"; done) &',
    ],
    [
      "something in the background without a line's end",
      "(for i in $(seq 40); do sleep 0.1; printf '\\033]0;%s\\007' $i; done) &",
    ],
    ["nothing, but leaves something running", "sleep 20 &"],
  ])("whose shell prints %s is measured", async (_what, script) => {
    sshd.setStartUp(`${script}\n`);
    await works();
  });

  it("with start-up files that end the shell is at fault", async () => {
    sshd.setStartUp("exit 3\n");
    await expect(openSession(record(), { binary })).rejects.toMatchObject({ blame: "device" });
  });

  it("that prints without end is refused within its deadline", async () => {
    sshd.setStartUp("yes\n");
    const begun = performance.now();
    await expect(openSession(record(), { binary })).rejects.toMatchObject({
      code: "agent-start",
      message: expect.stringContaining("over 256 KiB"),
    });
    expect(performance.now() - begun).toBeLessThan(20_000);
  });

  it("with one channel at a time measures, and receives files through its agent", async () => {
    await sshd.restart({ config: { MaxSessions: 1 } });
    try {
      await works();
      const bytes = randomBytes(9_000_000);
      const file = join(folder.path, "payload");
      writeFileSync(file, bytes);
      const session = await openSession(record(), { binary });
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      for (let time = 0; time < 2; time++) {
        const path = await session.upload(file, "models/payload", sha256);
        expect(readFileSync(join(sshd.home, path)).equals(bytes)).toBe(true);
      }
      await session.close();
      expect(existsSync(join(sshd.home, ".edgefront", "models", "payload"))).toBe(true);
    } finally {
      await sshd.restart();
    }
  });
});
