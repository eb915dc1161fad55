// The ssh transport against a real sshd: accepted logins, refusals, and every way in which the connection can
// die.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openSession } from "../../runner/agent/open-session.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import { readHostKey } from "../../runner/devices/ssh-connect.ts";
import { agentName, remoteName } from "../../runner/devices/transport.ts";
import { childrenOf, isAlive, planOf, until } from "../support/agents.ts";
import { sshdProblem } from "../support/needs.ts";
import { QUICK_TIMEOUTS, sha256, sshLoopback } from "../support/ssh-loopback.ts";
import { startProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const ENDLESS = { model: { plan: planOf() }, contexts: [512], decodeTokens: 400, repetitions: 1000 };

describe.skipIf(sshdProblem() !== null)("ssh", () => {
  const loopback = sshLoopback();
  const { record, transport, openError, remoteFile } = loopback;
  let proxy: TcpProxy | undefined;
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  describe("lets in and refuses", () => {
    it("reads the fingerprint that OpenSSH prints", async () => {
      expect(await readHostKey(loopback.sshd)).toBe(loopback.sshd.hostKey);
    });
    it("refuses a key the server does not know, and says what to do", async () => {
      const error = await openError({ identityFile: loopback.sshd.strangerFile });
      expect(error).toMatchObject({
        code: "auth-failed",
        nextStep: expect.stringContaining("authorized_keys"),
      });
      expect(String(error)).not.toContain(loopback.sshd.strangerFile);
    });
    it("refuses a host key that is not the pinned one, before it shows its own key", async () => {
      const other = `SHA256:${"A".repeat(43)}`;
      const error = await openError({ hostKey: other });
      expect(error).toMatchObject({ code: "host-key-changed" });
      expect(String(error)).toContain(loopback.sshd.hostKey);
    });
    it("refuses a server whose key was swapped", async () => {
      const pinned = loopback.sshd.hostKey;
      const now = await loopback.sshd.restart({ newHostKey: true });
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
      const timeouts = { ...QUICK_TIMEOUTS, connectMs: 700 };
      expect(await openError({ port: portOf(silent), timeouts })).toMatchObject({ code: "unreachable" });
      expect(await openError({ port: portOf(noise), timeouts })).toMatchObject({ code: "unreachable" });
      for (const socket of sockets) socket.destroy();
      silent.close();
      noise.close();
    });
    it("explains a key file that cannot be used", async () => {
      const text = join(loopback.folder, "text");
      writeFileSync(text, "no key");
      const locked = join(loopback.folder, "locked");
      // A passphrase is requested only for a key that the server accepts.
      writeFileSync(locked, readFileSync(loopback.sshd.identityFile), { mode: 0o600 });
      execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", locked], { stdio: "ignore" });
      for (const identityFile of [
        text,
        locked,
        join(loopback.folder, "absent"),
        `${loopback.sshd.identityFile}.pub`,
      ]) {
        expect(await openError({ identityFile }), identityFile).toMatchObject({ code: "identity-file" });
      }
    });
    it("logs in with an encrypted key and its passphrase, and through ssh-agent", async () => {
      const locked = join(loopback.folder, "identity-copy");
      writeFileSync(locked, readFileSync(loopback.sshd.identityFile), { mode: 0o600 });
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
        execFileSync("ssh-add", ["-q", loopback.sshd.identityFile], { stdio: "ignore" });
        expect(await openError({ identityFile: undefined })).toBeUndefined();
      } finally {
        if (saved === undefined) delete process.env.SSH_AUTH_SOCK;
        else process.env.SSH_AUTH_SOCK = saved;
        process.kill(Number(pid));
      }
    });
  });

  describe("when the connection dies", () => {
    it.each(["freeze", "reset"] as const)(
      "during an upload (%s) the upload is lost, not hung",
      async (what) => {
        const bytes = randomBytes(8_000_000);
        const file = join(loopback.folder, `big-${what}`);
        writeFileSync(file, bytes);
        proxy = await startProxy(loopback.sshd.port);
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
      await opened.upload(loopback.binary.path, agentName(loopback.binary.sha256), loopback.binary.sha256, {
        executable: true,
      });
      const session = await AgentSession.start(opened, loopback.binary);
      const { pid } = await session.hello;
      const result = session.request("measure", ENDLESS);
      result.catch(() => {});
      const child = await until("the job runs", () => childrenOf(pid)[0]);
      return { session, pid, child, result };
    };
    it("a silent drop during a run is noticed by the keepalive", async () => {
      proxy = await startProxy(loopback.sshd.port);
      const { session, pid, result } = await startJob(proxy.port);
      proxy.freeze();
      const start = performance.now();
      await expect(result).rejects.toMatchObject({ code: "transport-lost", blame: "device" });
      expect(performance.now() - start).toBeLessThan(5000);
      // sshd would notice after some time. Here the proxy's end tells it, and the agent dies by itself.
      await proxy.close();
      await until("the agent is gone", () => !isAlive(pid));
      await session.close();
    });
    it.each([
      ["the network resets", () => proxy!.reset()],
      ["sshd's session is killed", () => loopback.sshd.killSessions()],
    ])("when %s the job is lost, and agent and child die by themselves", async (_, fault) => {
      proxy = await startProxy(loopback.sshd.port);
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
      const session = await AgentSession.start(opened, loopback.binary, { silenceMs: 6000 });
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
      const session = await openSession(record(), { binary: loopback.binary });
      const { pid } = await session.hello;
      await session.close();
      await session.close();
      await until("the agent is gone", () => !isAlive(pid));
    });
  });
});
