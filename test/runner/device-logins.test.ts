// Logins that OpenSSH's own client manages, with the same configuration, against a real sshd: where keys come from, in which order, what kinds
// there are, and what is said when none is taken.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { parseAddress } from "../../runner/devices/ssh-address.ts";
import { type RouteOptions, routeTo } from "../../runner/devices/ssh-config.ts";
import { dial } from "../../runner/devices/ssh-dial.ts";
import { SshTransport } from "../../runner/devices/ssh-transport.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { type SshdConfig, startSshd, type TestSshd } from "../support/sshd.ts";

const QUICK = { connectMs: 8000, stepMs: 5000, keepaliveMs: 1000, keepaliveTries: 3 };
const run = (program: string, args: string[], env: Record<string, string> = {}) =>
  execFileSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, ...env },
  });

describe.skipIf(sshdProblem() !== null)("logging in as ssh does", { timeout: 120_000 }, () => {
  let sshd: TestSshd;
  let folder: ReturnType<typeof temporaryFolder>;
  const saved = { ...process.env };
  const agents: number[] = [];
  const at = (name: string): string => join(folder.path, name);

  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd?.stop());
  beforeEach(() => {
    folder = temporaryFolder();
    mkdirSync(at("home/.ssh"), { recursive: true, mode: 0o700 });
    process.env.HOME = at("home");
    delete process.env.SSH_AUTH_SOCK;
    copyFileSync(sshd.identityFile, at("good"));
    copyFileSync(`${sshd.identityFile}.pub`, at("good.pub"));
    copyFileSync(sshd.strangerFile, at("other"));
    for (const key of ["good", "other"]) chmodSync(at(key), 0o600);
  });
  afterEach(async () => {
    for (const pid of agents.splice(0)) process.kill(pid);
    for (const name of ["HOME", "SSH_AUTH_SOCK", "EF_KEY", "EF_AGENT"] as const) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    folder.remove();
  });

  const makeKey = (name: string, ...options: string[]): string => {
    run("ssh-keygen", [
      "-q",
      "-N",
      "",
      "-C",
      "test",
      "-f",
      at(name),
      ...(options.length > 0 ? options : ["-t", "ed25519"]),
    ]);
    return at(name);
  };
  const agent = (name: string, ...keys: string[]): string => {
    const socket = at(`${name}.sock`);
    const started = run("ssh-agent", ["-a", socket, "-s"]);
    agents.push(Number(/SSH_AGENT_PID=(\d+)/.exec(started)![1]));
    for (const key of keys) run("ssh-add", ["-q", key], { SSH_AUTH_SOCK: socket });
    return socket;
  };
  const configured = (...lines: string[]): RouteOptions => {
    const head = ["Host lab", "HostName 127.0.0.1", `Port ${sshd.port}`, `User ${sshd.user}`];
    writeFileSync(at("config"), `${[...head, ...lines].join("\n")}\n`);
    return { configFile: at("config") };
  };
  /** Undefined where the login succeeds, else its error. */
  const login = async (name: string, options: RouteOptions): Promise<unknown> => {
    const stops = (await routeTo(name, options)).map((stop) => ({ ...stop, hostKey: sshd.hostKey }));
    const transport = new SshTransport({ ...stops.at(-1)!, jumps: stops.slice(0, -1), timeouts: QUICK });
    const error = await transport.open().then(
      () => undefined,
      (e: unknown) => e,
    );
    await transport.close();
    return error;
  };
  const reach = () => ({ port: sshd.port, user: sshd.user, configFile: "none" });
  /** As a configuration names a variable of the environment. */
  const variable = (name: string): string => ["$", "{", name, "}"].join("");
  const withServer = async (config: SshdConfig, body: () => Promise<void>): Promise<void> => {
    await sshd.restart({ config });
    try {
      await body();
    } finally {
      await sshd.restart();
    }
  };

  describe("finds the key", () => {
    it("where only its public half is named, and an agent holds the other", async () => {
      mkdirSync(at("public"));
      copyFileSync(at("good.pub"), at("public/lab.pub"));
      process.env.SSH_AUTH_SOCK = agent("one", at("good"));
      for (const file of ["lab.pub", "lab"]) {
        expect(
          await login("lab", configured("IdentitiesOnly yes", `IdentityFile ${at("public")}/${file}`)),
        ).toBeUndefined();
        expect(
          await login("127.0.0.1", { ...reach(), identityFile: `${at("public")}/${file}` }),
        ).toBeUndefined();
      }
    });
    it("in the agent that the configuration names, by path or by variable, and in none where it says none", async () => {
      const socket = agent("one", at("good"));
      expect(await login("lab", configured(`IdentityAgent ${socket}`))).toBeUndefined();
      process.env.EF_AGENT = socket;
      expect(await login("lab", configured("IdentityAgent $EF_AGENT"))).toBeUndefined();
      expect(await login("lab", configured(`IdentityAgent ${variable("EF_AGENT")}`))).toBeUndefined();
      process.env.SSH_AUTH_SOCK = socket;
      expect(await login("lab", configured("IdentityAgent none"))).toMatchObject({ code: "identity-file" });
    });
    it("beside an agent of too many others", async () => {
      process.env.SSH_AUTH_SOCK = agent("many", ...Array.from({ length: 7 }, (_, i) => makeKey(`m${i}`)));
      copyFileSync(at("good"), at("home/.ssh/id_ed25519"));
      chmodSync(at("home/.ssh/id_ed25519"), 0o600);
      const usual = `IdentityFile ${at("home/.ssh/id_ed25519")}`;
      for (const only of ["IdentityAgent none", "IdentitiesOnly yes", "AddKeysToAgent no"])
        expect(await login("lab", configured(only, usual)), only).toBeUndefined();
      rmSync(at("home/.ssh/id_ed25519"));
      expect(await login("lab", configured())).toMatchObject({
        code: "auth-failed",
        message: expect.stringMatching(/MaxAuthTries.*--identity.*IdentitiesOnly/),
      });
    });
    it("in the second file, in the agent after the files, and beside a file that is missing or may be read by others", async () => {
      const files = (...names: string[]) => names.map((name) => `IdentityFile ${at(name)}`);
      expect(await login("lab", configured(...files("other", "good")))).toBeUndefined();
      expect(await login("lab", configured(...files("missing", "good")))).toBeUndefined();
      chmodSync(at("other"), 0o644);
      expect(await login("lab", configured(...files("other", "good")))).toBeUndefined();
      process.env.SSH_AUTH_SOCK = agent("one", at("good"));
      expect(await login("lab", configured(...files("other")))).toBeUndefined();
      expect(await login("127.0.0.1", { ...reach(), identityFile: at("good") })).toBeUndefined();
      chmodSync(at("good"), 0o644);
      delete process.env.SSH_AUTH_SOCK;
      expect(await login("127.0.0.1", { ...reach(), identityFile: at("good") })).toMatchObject({
        code: "identity-file",
        message: expect.stringMatching(/mode 644.*chmod 600/),
      });
    });
    it("with a passphrase, in the agent, by the public half that the file itself shows", async () => {
      process.env.SSH_AUTH_SOCK = agent("one", at("good"));
      rmSync(at("good.pub"));
      run("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", at("good")]);
      expect(
        await login("lab", configured("IdentitiesOnly yes", `IdentityFile ${at("good")}`)),
      ).toBeUndefined();
    });
    it("by tokens, variables and a home in its path", async () => {
      copyFileSync(at("good"), at(`key-127.0.0.1-${sshd.port}-${sshd.user}-lab`));
      chmodSync(at(`key-127.0.0.1-${sshd.port}-${sshd.user}-lab`), 0o600);
      expect(await login("lab", configured(`IdentityFile ${folder.path}/key-%h-%p-%r-%n`))).toBeUndefined();
      process.env.EF_KEY = "good";
      expect(
        await login("lab", configured(`IdentityFile ${folder.path}/${variable("EF_KEY")}`)),
      ).toBeUndefined();
      copyFileSync(at("good"), at("home/.ssh/a key"));
      chmodSync(at("home/.ssh/a key"), 0o600);
      expect(homedir()).toBe(at("home"));
      expect(await login("lab", configured('IdentityFile "~/.ssh/a key"'))).toBeUndefined();
      expect(await login("lab", configured("IdentityFile none"))).toMatchObject({ code: "identity-file" });
    });
    it.each([
      ["ed25519", ["-t", "ed25519"]],
      ["ecdsa 256", ["-t", "ecdsa", "-b", "256"]],
      ["ecdsa 384", ["-t", "ecdsa", "-b", "384"]],
      ["ecdsa 521", ["-t", "ecdsa", "-b", "521"]],
      ["rsa", ["-t", "rsa", "-b", "2048"]],
      ["rsa, PEM", ["-t", "rsa", "-b", "2048", "-m", "PEM"]],
      ["rsa, PKCS#8", ["-t", "rsa", "-b", "2048", "-m", "PKCS8"]],
      ["ecdsa, PKCS#8", ["-t", "ecdsa", "-b", "256", "-m", "PKCS8"]],
    ])("of every kind, from a file and from an agent: %s", async (_kind, options) => {
      const key = makeKey("kind", ...options);
      const before = sshd.authorizedKeys();
      sshd.setAuthorizedKeys(readFileSync(`${key}.pub`, "utf8"));
      try {
        expect(await login("lab", configured(`IdentityFile ${key}`))).toBeUndefined();
        expect(await login("lab", configured(`IdentityAgent ${agent("kind", key)}`))).toBeUndefined();
      } finally {
        sshd.setAuthorizedKeys(before);
      }
    });
    it.each([
      ["ed25519", ["-t", "ed25519"]],
      ["ecdsa", ["-t", "ecdsa", "-b", "384"]],
      ["rsa", ["-t", "rsa", "-b", "2048"]],
    ])("that a certificate vouches for: %s", async (_kind, options) => {
      const [authority, key] = [makeKey("authority"), makeKey("certified", ...options)];
      run("ssh-keygen", ["-q", "-s", authority, "-I", "test", "-n", sshd.user, `${key}.pub`]);
      await withServer({ TrustedUserCAKeys: `${authority}.pub` }, async () => {
        chmodSync(folder.path, 0o755);
        expect(await login("lab", configured(`IdentityFile ${key}`)), "beside it").toBeUndefined();
        const socket = agent("one", key);
        expect(await login("lab", configured(`IdentityAgent ${socket}`)), "in the agent").toBeUndefined();
        copyFileSync(`${key}-cert.pub`, at("elsewhere.pub"));
        rmSync(`${key}-cert.pub`);
        expect(
          await login("lab", configured(`IdentityFile ${key}`, `CertificateFile ${at("elsewhere.pub")}`)),
          "named",
        ).toBeUndefined();
        const plain = agent("plain", key);
        expect(
          await login("lab", configured(`IdentityAgent ${plain}`, `CertificateFile ${at("elsewhere.pub")}`)),
          "its key in the agent",
        ).toBeUndefined();
        expect(await login("lab", configured(`IdentityFile ${key}`)), "without it").toMatchObject({
          code: "auth-failed",
        });
      });
    });
    it("of each machine on the way", async () => {
      writeFileSync(
        at("config"),
        `Host lab bastion\nHostName 127.0.0.1\nPort ${sshd.port}\nUser ${sshd.user}\nHost bastion\nIdentityFile ${at("other")}\nIdentityFile ${at("good")}\nHost lab\nProxyJump bastion\nIdentityAgent ${agent("one", at("good"))}\n`,
      );
      expect(await login("lab", { configFile: at("config") })).toBeUndefined();
    });
  });

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
      await login(`127.0.0.1:${sshd.port}`, { ...reach(), port: undefined, identityFile: at("good") }),
    ).toBeUndefined();
    expect(
      await login(`ssh://${sshd.user}@127.0.0.1:${sshd.port}`, {
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
          message: expect.stringMatching(/takes no keys, only password/),
        });
      });
    });
    it("an agent that is dead, empty, or refuses to sign", async () => {
      const reason = async (socket: string) =>
        String(((await login("lab", configured(`IdentityAgent ${socket}`))) as Error).message);
      expect(await reason(at("dead.sock"))).toMatch(
        /no key to log in with \(ssh-agent cannot be reached \(ENOENT\)/,
      );
      expect(await reason(agent("empty"))).toMatch(/no key to log in with \(ssh-agent holds no keys/);
      const silent = createServer(() => {}).listen(at("silent.sock"));
      expect(await reason(at("silent.sock"))).toMatch(/ssh-agent did not answer within 5 s/);
      silent.close();
      const socket = agent("careful");
      // To be confirmed at each use, and there is nobody to ask.
      run("ssh-add", ["-q", "-c", at("good")], { SSH_AUTH_SOCK: socket });
      expect(await reason(socket)).toMatch(/takes the key, but ssh-agent refused to sign.*ssh-add/);
      const said = (await login(
        "lab",
        configured(`IdentityAgent ${at("dead.sock")}`, `IdentityFile ${at("other")}`),
      )) as Error;
      expect(said.message).toMatch(/refused the key \(ssh-agent cannot be reached/);
      expect(said.message).not.toContain(folder.path);
    });
  });

  it("offers SHA-1 only where the configuration asks for it", async () => {
    const hostKey = makeKey("host-rsa", "-t", "rsa", "-b", "2048");
    const key = `IdentityFile ${at("good")}`;
    await withServer({ HostKey: hostKey, HostKeyAlgorithms: "ssh-rsa" }, async () => {
      expect(await login("lab", configured(key))).toMatchObject({
        message: expect.stringMatching(/no algorithm in common.*"HostKeyAlgorithms \+ssh-rsa"/),
      });
      // In common now; that it is another key than the pinned one is said afterwards.
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
    // The kernel repeats a greeting that a full queue has dropped after a second.
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

describe("the address of a machine", () => {
  it.each([
    ["lab", { host: "lab" }],
    ["me@lab", { host: "lab", user: "me" }],
    ["me@corp@lab", { host: "lab", user: "me@corp" }],
    ["lab:2222", { host: "lab", port: 2222 }],
    ["me@10.0.0.7:22", { host: "10.0.0.7", user: "me", port: 22 }],
    ["::1", { host: "::1" }],
    ["me@fe80::1%eth0", { host: "fe80::1%eth0", user: "me" }],
    ["[::1]:2222", { host: "::1", port: 2222 }],
    ["[fe80::1%eth0]", { host: "fe80::1%eth0" }],
    ["ssh://lab", { host: "lab" }],
    ["ssh://me@[2001:db8::1]:2222/", { host: "2001:db8::1", user: "me", port: 2222 }],
    ["SSH://a%40b@lab:1", { host: "lab", user: "a@b", port: 1 }],
  ])("%s", (text, address) => expect(parseAddress(text)).toEqual(address));
  it.each([
    "",
    "a b",
    "-oProxyCommand=x",
    "me@",
    "lab:0",
    "lab:65536",
    "ssh://",
    "a;b@lab",
    "-l@lab",
    "ssh://lab/path",
    "[::1",
  ])("%j is none", (text) => expect(() => parseAddress(text)).toThrow(/not a host name/));
});
