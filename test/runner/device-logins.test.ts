// Logins managed by OpenSSH's own client with the same configuration, against a real sshd: the questions to
// OpenSSH, and the messages after a refusal. ssh-keys.test.ts tests the choice of keys.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { routeTo } from "../../runner/devices/ssh-config.ts";
import { dial } from "../../runner/devices/ssh-dial.ts";
import { sshdProblem } from "../support/needs.ts";
import { run, sshLogins } from "../support/ssh-logins.ts";

describe.skipIf(sshdProblem() !== null)("logging in as ssh does", { timeout: 120_000 }, () => {
  const logins = sshLogins();
  const { at, makeKey, agent, configured, login, reach, withServer } = logins;

  it("asks OpenSSH with the user and the port that are named, so that Match and tokens see them", async () => {
    writeFileSync(
      at("config"),
      `Match originalhost board user zed\n HostName 127.0.0.9\n Port 44\nMatch final host 127.0.0.9\n IdentityFile /k/%r-%p\n`,
    );
    const keys = { identityFiles: ["/k/zed-44"] };
    for (const [name, options] of [
      ["zed@board", {}],
      ["board", { user: "zed" }],
      ["ssh://zed@board", {}],
    ] as const)
      expect((await routeTo(name, { configFile: at("config"), ...options }))[0]).toMatchObject({
        host: "127.0.0.9",
        port: 44,
        user: "zed",
        keys,
      });
    expect((await routeTo("zed@board:45", { configFile: at("config") }))[0]).toMatchObject({
      port: 45,
      keys: { identityFiles: ["/k/zed-45"] },
    });
    await expect(routeTo("board:45", { configFile: at("config"), port: 46 })).rejects.toMatchObject({
      code: "usage",
    });
    expect(
      await login(`127.0.0.1:${logins.sshd.port}`, { ...reach(), port: undefined, identityFile: at("good") }),
    ).toBeUndefined();
    expect(
      await login(`ssh://${logins.sshd.user}@127.0.0.1:${logins.sshd.port}`, {
        configFile: "none",
        identityFile: at("good"),
      }),
    ).toBeUndefined();
  });

  describe("says why nobody is let in:", () => {
    it.each([
      ["publickey,password", { PasswordAuthentication: "yes" }, /second factor: password/],
      [
        "publickey,keyboard-interactive",
        { KbdInteractiveAuthentication: "yes" },
        /second factor: keyboard-interactive/,
      ],
      ["publickey,publickey", {}, /second factor: publickey/],
    ])("a second factor (%s)", async (methods, config, message) => {
      await withServer({ AuthenticationMethods: methods, ...config }, async () => {
        for (const line of [
          `IdentityFile ${at("good")}`,
          `IdentityAgent ${agent(`a${methods.length}`, at("good"))}`,
        ])
          expect(await login("lab", configured(line))).toMatchObject({
            code: "auth-failed",
            message: expect.stringMatching(message),
          });
      });
    });
    it("no keys are taken", async () => {
      await withServer({ PubkeyAuthentication: "no", PasswordAuthentication: "yes" }, async () => {
        expect(await login("lab", configured(`IdentityFile ${at("good")}`))).toMatchObject({
          message: expect.stringMatching(/accepts no keys, only password/),
        });
      });
    });
    it("an agent that is dead, empty, or refuses to sign", async () => {
      const reason = async (socket: string) =>
        String(((await login("lab", configured(`IdentityAgent ${socket}`))) as Error).message);
      expect(await reason(at("dead.sock"))).toMatch(
        /there is no key for \S+ \(ssh-agent cannot be reached \(ENOENT\)/,
      );
      expect(await reason(agent("empty"))).toMatch(/there is no key for \S+ \(ssh-agent holds no keys/);
      const silent = createServer(() => {}).listen(at("silent.sock"));
      expect(await reason(at("silent.sock"))).toMatch(/ssh-agent did not answer within 5 s/);
      silent.close();
      const socket = agent("careful");
      // A key to be confirmed at each use, with no user to confirm.
      run("ssh-add", ["-q", "-c", at("good")], { SSH_AUTH_SOCK: socket });
      expect(await reason(socket)).toMatch(/accepts the key, but ssh-agent refused to sign.*ssh-add/);
      const said = (await login(
        "lab",
        configured(`IdentityAgent ${at("dead.sock")}`, `IdentityFile ${at("other")}`),
      )) as Error;
      expect(said.message).toMatch(/refused the key \(ssh-agent cannot be reached/);
      expect(said.message).not.toContain(logins.folder);
    });
  });

  it("offers SHA-1 only where the configuration asks for it", async () => {
    const hostKey = makeKey("host-rsa", "-t", "rsa", "-b", "2048");
    const key = `IdentityFile ${at("good")}`;
    await withServer({ HostKey: hostKey, HostKeyAlgorithms: "ssh-rsa" }, async () => {
      expect(await login("lab", configured(key))).toMatchObject({
        message: expect.stringMatching(/no algorithm in common.*"HostKeyAlgorithms \+ssh-rsa"/),
      });
      // Now both sides share an algorithm. The change from the pinned key is reported afterwards.
      expect(await login("lab", configured(key, "HostKeyAlgorithms +ssh-rsa"))).toMatchObject({
        code: "host-key-changed",
      });
    });
    await withServer({ MACs: "hmac-sha1", Ciphers: "aes128-ctr" }, async () => {
      expect(await login("lab", configured(key))).toMatchObject({
        message: expect.stringMatching(/no algorithm in common.*"MACs hmac-sha1"/),
      });
      expect(await login("lab", configured(key, "MACs hmac-sha1"))).toBeUndefined();
    });
  });

  it("waits for the slow one of several addresses, and says so when none answers", async () => {
    const port = 25_000 + (process.pid % 9000);
    // After a second the kernel repeats a greeting that a full queue has dropped.
    const code = `
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", ${port})); s.listen(0)
fill = []
for _ in range(2):
    c = socket.socket(); c.setblocking(False); fill.append(c)
    try: c.connect(s.getsockname())
    except BlockingIOError: pass
print("full", flush=True); time.sleep(1); s.settimeout(5)
for _ in range(3): s.accept()
`;
    const slow = spawn("python3", ["-c", code], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => slow.stdout.once("data", resolve));
    const addresses = async () => ["127.0.0.1", "127.0.0.2"];
    const socket = await dial("slowhost", port, 10_000, addresses);
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
    slow.kill();
    await expect(dial("slowhost", 1, 10_000, addresses)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});
