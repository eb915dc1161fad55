// The ssh transport against a real sshd: who is let in, what is refused, uploads that are verified, and every way the connection can die.
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { readHostKey } from "../../runner/devices/ssh-connect.ts";
import { type SshOptions, SshTransport } from "../../runner/devices/ssh-transport.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { type AgentBinary, agentName, remoteName } from "../../runner/devices/transport.ts";
import { childrenOf, isAlive, planOf, until } from "../support/agents.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const QUICK = { connectMs: 5000, stepMs: 2000, keepaliveMs: 300, keepaliveTries: 3 };
const ENDLESS = { model: { plan: planOf() }, contexts: [512], decodeTokens: 400, repetitions: 1000 };
const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe.skipIf(sshdProblem() !== null)("ssh", () => {
  let sshd: TestSshd;
  let folder: string;
  let binary: AgentBinary;
  let proxy: TcpProxy | undefined;
  beforeAll(async () => {
    sshd = await startSshd();
    folder = mkdtempSync(join(tmpdir(), "edgefront-ssh-"));
    binary = await buildAgent({ target: hostTarget()!, kind: "agent" });
  });
  afterAll(async () => {
    await sshd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
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
    new SshTransport({ ...record(), timeouts: QUICK, ...changes });
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

  describe("lets in and refuses", () => {
    it("reads the fingerprint that OpenSSH prints", async () => {
      expect(await readHostKey(sshd)).toBe(sshd.hostKey);
    });
    it("refuses a key the server does not know, and says what to do", async () => {
      const error = await openError({ identityFile: sshd.strangerFile });
      expect(error).toMatchObject({
        code: "auth-failed",
        nextStep: expect.stringContaining("authorized_keys"),
      });
      expect(String(error)).not.toContain(sshd.strangerFile);
    });
    it("refuses a host key that is not the pinned one, before it shows its own key", async () => {
      const other = `SHA256:${"A".repeat(43)}`;
      const error = await openError({ hostKey: other });
      expect(error).toMatchObject({ code: "host-key-changed" });
      expect(String(error)).toContain(sshd.hostKey);
    });
    it("refuses a server whose key was swapped", async () => {
      const pinned = sshd.hostKey;
      const now = await sshd.restart({ newHostKey: true });
      expect(now).not.toBe(pinned);
      expect(await openError({ hostKey: pinned })).toMatchObject({ code: "host-key-changed" });
      expect(await openError({ hostKey: now })).toBeUndefined();
    });
    it("says that nobody listens", async () => {
      expect(await openError({ port: 1 })).toMatchObject({
        code: "unreachable",
        message: expect.stringContaining("ECONNREFUSED"),
      });
      expect(await openError({ host: "no-such-host.invalid" })).toMatchObject({ code: "unreachable" });
      await expect(readHostKey({ host: "127.0.0.1", port: 1 })).rejects.toMatchObject({
        code: "unreachable",
      });
    });
    it("gives up on a server that says nothing, or nonsense", async () => {
      const sockets: Socket[] = [];
      const listen = async (greet: (socket: Socket) => void): Promise<Server> => {
        const server = createServer((socket) => {
          sockets.push(socket.on("error", () => {}));
          greet(socket);
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return server;
      };
      const portOf = (server: Server) => (server.address() as { port: number }).port;
      const silent = await listen(() => {});
      const noise = await listen((socket) => socket.write(randomBytes(100_000)));
      const timeouts = { ...QUICK, connectMs: 700 };
      expect(await openError({ port: portOf(silent), timeouts })).toMatchObject({ code: "unreachable" });
      expect(await openError({ port: portOf(noise), timeouts })).toMatchObject({ code: "unreachable" });
      for (const socket of sockets) socket.destroy();
      silent.close();
      noise.close();
    });
    it("explains a key file that cannot be used", async () => {
      const text = join(folder, "text");
      writeFileSync(text, "no key");
      const locked = join(folder, "locked");
      // Only a key that the server takes is worth a passphrase.
      writeFileSync(locked, readFileSync(sshd.identityFile), { mode: 0o600 });
      execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", locked], { stdio: "ignore" });
      for (const identityFile of [text, locked, join(folder, "absent"), `${sshd.identityFile}.pub`]) {
        expect(await openError({ identityFile }), identityFile).toMatchObject({ code: "identity-file" });
      }
    });
    it("logs in with an encrypted key and its passphrase, and through ssh-agent", async () => {
      const locked = join(folder, "identity-copy");
      writeFileSync(locked, readFileSync(sshd.identityFile), { mode: 0o600 });
      execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", locked], { stdio: "ignore" });
      expect(await openError({ identityFile: locked, passphrase: "secret" })).toBeUndefined();
      expect(await openError({ identityFile: locked, passphrase: "wrong" })).toMatchObject({
        code: "identity-file",
      });
      const started = execFileSync("ssh-agent", ["-s"], { encoding: "utf8" });
      const [, socket] = /SSH_AUTH_SOCK=([^;]+)/.exec(started)!;
      const [, pid] = /SSH_AGENT_PID=(\d+)/.exec(started)!;
      const saved = process.env.SSH_AUTH_SOCK;
      try {
        process.env.SSH_AUTH_SOCK = socket;
        execFileSync("ssh-add", ["-q", sshd.identityFile], { stdio: "ignore" });
        expect(await openError({ identityFile: undefined })).toBeUndefined();
      } finally {
        if (saved === undefined) delete process.env.SSH_AUTH_SOCK;
        else process.env.SSH_AUTH_SOCK = saved;
        process.kill(Number(pid));
      }
    });
  });

  describe("uploads", () => {
    let file: string;
    let bytes: Buffer;
    let opened: SshTransport;
    beforeEach(async () => {
      bytes = randomBytes(3_000_000);
      file = join(folder, "payload");
      writeFileSync(file, bytes);
      opened = transport();
      await opened.open();
    });
    afterEach(async () => {
      await opened.close();
    });

    it("puts the bytes there, executable if asked, and leaves no part behind", async () => {
      const name = remoteName(`files/${sha256(bytes)}/payload`);
      const path = await opened.upload(file, name, sha256(bytes), { executable: true });
      expect(path).toBe(`.edgefront/${name}`);
      expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
      expect(statSync(remoteFile(name)).mode & 0o777).toBe(0o700);
      expect(readdirSync(remoteFile(`files/${sha256(bytes)}`))).toEqual(["payload"]);
    });
    it("does not send what is there already, and mends what was damaged", async () => {
      const name = remoteName("files/again");
      await opened.upload(file, name, sha256(bytes));
      const before = statSync(remoteFile(name));
      await opened.upload(file, name, sha256(bytes));
      expect(statSync(remoteFile(name)).ino).toBe(before.ino);
      const damaged = Buffer.from(bytes);
      damaged[1_500_000]! ^= 1;
      writeFileSync(remoteFile(name), damaged);
      await opened.upload(file, name, sha256(bytes));
      expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
    });
    it("bears several at once of the same file", async () => {
      const name = remoteName("files/race");
      await Promise.all([1, 2, 3].map(() => opened.upload(file, name, sha256(bytes))));
      expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
      expect(readdirSync(remoteFile("files")).filter((f) => f.includes(".part"))).toEqual([]);
    });
    it("clears away agents of long ago and what stopped uploads left, once a new agent is there", async () => {
      const put = async (name: string, daysOld: number) => {
        await opened.upload(file, remoteName(name), sha256(bytes));
        const at = Date.now() / 1000 - daysOld * 86_400;
        utimesSync(remoteFile(name), at, at);
      };
      const builds = ["a", "b", "c", "d", "e", "f"].map((letter) => letter.repeat(64));
      for (const [age, hash] of builds.entries()) await put(agentName(hash), 2 + age);
      for (const [name, age] of [
        ["stopped.00112233.part", 2],
        ["going.44556677.part", 0],
        ["model.gguf", 100],
      ] as const)
        await put(`models/${name}`, age);
      // All of it of an earlier session: what this one puts there itself is never cleared away.
      await opened.close();
      opened = transport();
      await opened.open();
      await opened.upload(file, agentName("0".repeat(64)), sha256(bytes), { executable: true });
      const kept = ["0".repeat(64), ...builds.slice(0, 3)];
      expect(readdirSync(remoteFile("agents")).toSorted()).toEqual(kept.toSorted());
      expect(readdirSync(remoteFile("models")).toSorted()).toEqual(["going.44556677.part", "model.gguf"]);
    });
    it("refuses a file that is not what its hash says, and installs nothing", async () => {
      const name = remoteName("files/wrong");
      await expect(opened.upload(file, name, "0".repeat(64))).rejects.toMatchObject({
        code: "upload-failed",
      });
      expect(existsSync(remoteFile(name))).toBe(false);
    });
    it("says why a folder cannot be written", async () => {
      await opened.upload(file, remoteName("closed/x"), sha256(bytes));
      chmodSync(remoteFile("closed"), 0o500);
      await expect(opened.upload(file, remoteName("closed/y"), sha256(bytes))).rejects.toMatchObject({
        code: "upload-failed",
        message: expect.stringMatching(/Permission denied/),
      });
      chmodSync(remoteFile("closed"), 0o700);
    });
    it("takes no name that a shell or a path could misread", () => {
      for (const name of ["../x", "a/../b", "/etc/x", "a b", "a;b", "$(x)", "", "a//b", "A", "a/.ssh"]) {
        expect(() => remoteName(name), name).toThrow(TypeError);
      }
      expect(() => agentName("x; rm -rf")).toThrow(TypeError);
    });
  });

  describe("when the connection dies", () => {
    it.each(["freeze", "reset"] as const)(
      "during an upload (%s) the upload is lost, not hung",
      async (what) => {
        const bytes = randomBytes(8_000_000);
        const file = join(folder, `big-${what}`);
        writeFileSync(file, bytes);
        proxy = await startProxy(sshd.port);
        const opened = transport({ port: proxy.port });
        await opened.open();
        proxy.after(2_000_000, what);
        const name = remoteName(`files/${what}`);
        const start = performance.now();
        await expect(opened.upload(file, name, sha256(bytes))).rejects.toMatchObject({
          code: "transport-lost",
        });
        expect(performance.now() - start).toBeLessThan(10_000);
        expect(existsSync(remoteFile(name))).toBe(false);
        await opened.close();
        // The next try, on a healthy network, succeeds.
        const again = transport();
        await again.open();
        await again.upload(file, name, sha256(bytes));
        expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
        await again.close();
      },
    );

    const startJob = async (port: number) => {
      const opened = transport({ port });
      await opened.open();
      await opened.upload(binary.path, agentName(binary.sha256), binary.sha256, { executable: true });
      const session = await AgentSession.start(opened, binary);
      const { pid } = await session.hello;
      const result = session.request("measure", ENDLESS);
      result.catch(() => {});
      const child = await until("the job runs", () => childrenOf(pid)[0]);
      return { session, pid, child, result };
    };
    it("a silent drop during a run is noticed by the keepalive", async () => {
      proxy = await startProxy(sshd.port);
      const { session, pid, result } = await startJob(proxy.port);
      proxy.freeze();
      const start = performance.now();
      await expect(result).rejects.toMatchObject({ code: "transport-lost", blame: "device" });
      expect(performance.now() - start).toBeLessThan(5000);
      // sshd there would notice in its own time; here the proxy's end tells it, and the agent dies by itself.
      await proxy.close();
      await until("the agent is gone", () => !isAlive(pid));
      await session.close();
    });
    it.each([
      ["the network resets", () => proxy!.reset()],
      ["sshd's session is killed", () => sshd.killSessions()],
    ])("when %s the job is lost, and agent and child die by themselves", async (_, fault) => {
      proxy = await startProxy(sshd.port);
      const { session, pid, child, result } = await startJob(proxy.port);
      fault();
      await expect(result).rejects.toMatchObject({ code: "transport-lost" });
      await until("agent and child are gone", () => !isAlive(pid) && !isAlive(child));
      await expect(session.request("probe", {})).rejects.toMatchObject({ code: "transport-lost" });
      await session.close();
    });
    it("a hung agent behind a live socket is given up after its silence", async () => {
      const opened = transport();
      await opened.open();
      const session = await AgentSession.start(opened, binary, { silenceMs: 6000 });
      const { pid } = await session.hello;
      const result = session.request("measure", ENDLESS);
      result.catch(() => {});
      const child = await until("the job runs", () => childrenOf(pid)[0]);
      process.kill(pid, "SIGSTOP");
      await expect(result).rejects.toMatchObject({
        code: "transport-lost",
        message: expect.stringContaining("silent"),
      });
      process.kill(pid, "SIGKILL"); // a stopped process cannot see that its input ended
      await until("the child is gone", () => !isAlive(child));
      await session.close();
    }, 30_000);
    it("leaves nothing behind that keeps the coordinator alive", async () => {
      const session = await openSession(record(), { binary });
      const { pid } = await session.hello;
      await session.close();
      await session.close();
      await until("the agent is gone", () => !isAlive(pid));
    });
  });
});
