// Registering devices through the command line, against real sshd processes: names of an ssh configuration, jumps, pins, passphrases,
// forced commands, and every wrong step with its reason and what mends it.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { makesLogins, startSshd, type TestSshd } from "../support/sshd.ts";

const PASSPHRASE = "correct horse battery staple";

describe.skipIf(sshdProblem() !== null)("device add", { timeout: 600_000 }, () => {
  let sshd: TestSshd;
  let folder: ReturnType<typeof temporaryFolder>;
  let env: Record<string, string>;
  const run = (...args: string[]) => runCli(args, folder.path, env);
  /** One placement is enough where it is not what the test is about. */
  const QUICK = ["--threads", "1"];
  const reach = () => ["--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user];
  const login = () => [...reach(), "--identity", sshd.identityFile, "--fingerprint", sshd.hostKey];
  const remove = async (name: string) => {
    expect(await run("device", "remove", name)).toMatchObject({ code: 0 });
  };

  /** Runs a command at a terminal and answers each question once, in their order. */
  const atTerminal = async (args: readonly string[], answers: readonly (readonly [RegExp, string])[]) => {
    const command = [process.execPath, join(PACKAGE_ROOT, "dist", "runner", "cli.js"), ...args]
      .map((word) => `'${word}'`)
      .join(" ");
    const terminal = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: folder.path,
      env: { ...process.env, ...env },
    });
    let seen = "";
    const left = [...answers];
    /** What every user of this machine could see meanwhile. */
    const listings: string[] = [];
    terminal.stdout.on("data", (chunk: Buffer) => {
      seen += chunk;
      if (left[0]?.[0].test(seen)) terminal.stdin.write(`${left.shift()![1]}\r`);
      listings.push(execFileSync("ps", ["axww", "-o", "args"], { encoding: "utf8" }));
    });
    const impatient = setTimeout(() => terminal.kill(), 60_000);
    const code = await new Promise((resolve) => terminal.on("close", resolve));
    clearTimeout(impatient);
    return { code, seen, listings };
  };

  beforeAll(async () => {
    folder = temporaryFolder();
    sshd = await startSshd();
    env = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
  });
  afterAll(async () => {
    await sshd?.stop();
    folder?.remove();
  });

  it("finds the target, tunes the threads, and shows a card", async () => {
    const added = await run("device", "add", "box", ...login(), "--json");
    expect(added, added.stderr).toMatchObject({ code: 0 });
    const { device, probe } = JSON.parse(added.stdout);
    expect(device).toMatchObject({
      target: process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux",
      profile: { name: "linux" },
    });
    expect(device.identityFile).toBeUndefined();
    expect(probe.cpus.map(({ cpu }: { cpu: number }) => cpu).sort()).toEqual([...probe.allowedCpus].sort());
    const { best, tried } = device.placement;
    expect(tried.length).toBeGreaterThan(0);
    expect(tried).toContainEqual(best);
    for (const { cpus } of tried)
      expect(new Set(probe.allowedCpus)).toEqual(new Set([...probe.allowedCpus, ...cpus]));
    const card = (await run("device", "show", "box")).stdout;
    expect(card).toMatch(/threads +\d+ on cores [\d,]+: decode [\d.]+/);
    expect(card).toMatch(/temperature +(not readable|[\d.]+ C)/);

    // What was found is what a measurement uses.
    const layout = "v256 d64 f64 h4/2x16 : c3 g";
    const measured = await run(
      "measure",
      layout,
      "--device",
      "box",
      "--contexts",
      "16",
      "--tokens",
      "4",
      "--json",
    );
    expect(measured, measured.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(measured.stdout).result.affinity.toSorted()).toEqual(best.cpus.toSorted());
    await remove("box");
  });

  it("reads names, users, keys, includes and jumps of an ssh configuration", async () => {
    const included = join(folder.path, "more.conf");
    writeFileSync(included, `Host inner\n  HostName ${sshd.host}\n  ProxyJump bastion\n`);
    const config = join(folder.path, "ssh.conf");
    writeFileSync(
      config,
      `Include ${included}\nHost bastion\n  HostName 127.0.0.1\nHost *\n  User ${sshd.user}\n  Port ${sshd.port}\n  IdentityFile ${sshd.identityFile}\n`,
    );
    const add = (...more: string[]) =>
      run("device", "add", "inner", "--host", "inner", "--ssh-config", config, ...QUICK, ...more);
    const one = await add("--fingerprint", sshd.hostKey);
    expect(one).toMatchObject({ code: 2 });
    expect(one.stderr).toContain(`repeat with --fingerprint ${sshd.hostKey} --fingerprint ${sshd.hostKey}`);
    const wrong = await add("--fingerprint", `SHA256:${"B".repeat(43)}`, "--fingerprint", sshd.hostKey);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("not the SHA256:BBB") });
    const added = await add("--fingerprint", sshd.hostKey, "--fingerprint", sshd.hostKey, "--json");
    expect(added, added.stderr).toMatchObject({ code: 0 });
    const { device } = JSON.parse(added.stdout);
    expect(device.jumps).toEqual([
      { host: "127.0.0.1", port: sshd.port, user: sshd.user, hostKey: sshd.hostKey },
    ]);
    expect((await run("device", "show", "inner")).stdout).toMatch(
      new RegExp(`through +${sshd.user}@127.0.0.1:${sshd.port}`),
    );
    // The stored device still goes that way, with the keys of this user's own configuration.
    expect(await run("device", "probe", "inner")).toMatchObject({ code: 0 });
    await remove("inner");
  });

  it("binds a key to the agent alone, and works through it", async () => {
    const added = await run("device", "add", "bound", ...login(), ...QUICK, "--print-authorized-key");
    expect(added, added.stderr).toMatchObject({ code: 0 });
    // What later windows are compared with was timed on the way.
    const database = new Database(join(folder.path, "edgefront.db"), { readonly: true });
    const kept = database
      .prepare("SELECT count(*) AS n FROM events WHERE kind = 'sentinel-baseline' AND device = 'bound'")
      .get();
    database.close();
    expect(kept).toEqual({ n: 1 });
    const line = added.stdout.trim().split("\n").at(-1)!;
    expect(line).toMatch(
      /^command="exec \.edgefront\/agents\/[0-9a-f]{64}\/edgefront-agent serve --confined",restrict ssh-ed25519 [A-Za-z0-9+/=]+$/,
    );
    const before = sshd.authorizedKeys();
    sshd.setAuthorizedKeys(line);
    try {
      expect(await run("device", "probe", "bound")).toMatchObject({ code: 0 });
      // Neither a command nor SFTP gets past it.
      const ssh = [
        "-F",
        "none",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-p",
        String(sshd.port),
        "-i",
        sshd.identityFile,
      ];
      const said = execFileSync("ssh", [...ssh, `${sshd.user}@${sshd.host}`, "id; touch stolen"], {
        input: "",
        encoding: "utf8",
        stdio: ["pipe", "pipe", "ignore"],
      });
      expect(said).toMatch(/^\{"v":1,"type":"hello"/);
      expect(readdirSync(sshd.home)).not.toContain("stolen");
    } finally {
      sshd.setAuthorizedKeys(before);
    }
    await remove("bound");
  });

  it("asks for a passphrase at a terminal only, and keeps it nowhere", async () => {
    const locked = join(folder.path, "locked-key");
    copyFileSync(sshd.identityFile, locked);
    chmodSync(locked, 0o600);
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", locked], { stdio: "ignore" });
    const args = ["device", "add", "locked", ...reach(), "--identity", locked, ...QUICK];
    const refused = await run(...args, "--fingerprint", sshd.hostKey);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/has a passphrase.*no terminal.*ssh-add/s),
    });
    expect(refused.stderr).not.toContain(locked);

    const hostKey = /shows host key SHA256:[\s\S]*Is this its key\? \(yes\/no\)/;
    const doubted = await atTerminal(args, [[hostKey, "no"]]);
    expect(doubted.code).toBe(2);
    expect(doubted.seen).toContain("not confirmed; nothing was registered");
    const { code, seen, listings } = await atTerminal(args, [
      [hostKey, "yes"],
      [/Passphrase of the key:/, PASSPHRASE],
    ]);
    expect(code, seen).toBe(0);
    expect(seen.replace(/\s/g, "")).toContain(sshd.hostKey);
    expect(seen).toContain("registered locked");
    expect(seen).not.toContain(PASSPHRASE);
    for (const listing of listings) expect(listing).not.toContain(PASSPHRASE);

    // Neither the passphrase nor the key nor its path is in the database; nothing of them is in any file but the key itself.
    const database = new Database(join(folder.path, "edgefront.db"));
    database.pragma("wal_checkpoint(TRUNCATE)");
    database.close();
    const secret = readFileSync(locked, "utf8").split("\n")[1]!;
    for (const file of readdirSync(folder.path, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    )) {
      const path = join(file.parentPath, file.name);
      if (path === locked) continue;
      const bytes = readFileSync(path);
      expect(bytes.includes(PASSPHRASE), path).toBe(false);
      expect(bytes.includes(secret), path).toBe(false);
      expect(bytes.includes(locked) && file.name !== "identities.json", path).toBe(false);
    }
    await remove("locked");
  });

  it.skipIf(!makesLogins)(
    "answers a second factor at a terminal, and says that it wants one elsewhere",
    async () => {
      const password = "tr0ub4dor and 3";
      execFileSync("chpasswd", { input: `${sshd.user}:${password}\n` });
      for (const [method, config, asks] of [
        ["password", { PasswordAuthentication: "yes" }, /Password of /],
        ["keyboard-interactive", { UsePAM: "yes", KbdInteractiveAuthentication: "yes" }, /asks: Password:/],
      ] as const) {
        await sshd.restart({ config: { ...config, AuthenticationMethods: `publickey,${method}` } });
        const args = ["device", "probe", "factor"];
        const record = ["device", "add", "factor", ...login(), ...QUICK];
        expect(await run(...record)).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(
            new RegExp(`wants a second factor: ${method}.*Run this at a terminal`),
          ),
        });
        // Each connection is asked for anew: one for a look at the device, one for its agent.
        const { code, seen } = await atTerminal(record, [
          [asks, password],
          [new RegExp(`${asks.source}[^]*${asks.source}`), password],
        ]);
        expect(code, seen).toBe(0);
        expect(seen).not.toContain(password);
        expect(await run(...args)).toMatchObject({
          code: 2,
          stderr: expect.stringContaining("second factor"),
        });
        await remove("factor");
      }
      await sshd.restart();
    },
  );

  it("is interrupted by Ctrl-C, and registers nothing", async () => {
    const { child, finished } = startCli(["device", "add", "x", ...login()], folder.path, env);
    child.stderr!.on("data", (chunk: Buffer) => {
      if (/^device x:/m.test(`${chunk}`)) child.kill("SIGINT");
    });
    expect(await finished).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^edgefront: interrupted; x was not registered$/m),
    });
    expect(JSON.parse((await run("device", "list", "--json")).stdout).devices).toHaveLength(1);
  });

  describe("a wrong step ends with the reason and what mends it:", () => {
    let server: Server | undefined;
    afterEach(async () => {
      server?.close();
      expect(JSON.parse((await run("device", "list", "--json")).stdout).devices).toHaveLength(1);
    });
    const listen = async (greeting: string): Promise<number> => {
      server = createServer((socket) => socket.on("error", () => {}).end(greeting));
      await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
      return (server.address() as { port: number }).port;
    };
    const fails = async (code: number, reason: RegExp, ...args: string[]) => {
      const result = await run("device", "add", "x", ...args);
      expect(result.stderr).toMatch(reason);
      expect(result.stderr.trim().split("\n")).toHaveLength(1);
      expect(result.code).toBe(code);
    };

    it("no host, an impossible host, one that nobody knows", async () => {
      await fails(2, /needs --host/, "--profile", "ryzen");
      await fails(2, /not a host name/, "--host=-oProxyCommand=touch stolen");
      await fails(2, /--host needs a value .*--help/, "--host", "-oProxyCommand=touch stolen");
      await fails(2, /not a host name/, "--host", "a b");
      await fails(2, /--port must be a whole number from 1 to 65535/, "--host", "a", "--port", "x");
      await fails(2, /--threads must be a whole number from 1 to 1024/, "--host", "a", "--threads", "0");
      await fails(
        1,
        /no host named no-such-host\.invalid.*~\/\.ssh\/config/,
        "--host",
        "no-such-host.invalid",
      );
    });
    it("the wrong port", async () => {
      await fails(1, /nothing listens on 127\.0\.0\.1:1 .*8022/, "--host", "127.0.0.1", "--port", "1");
      const port = await listen("HTTP/1.1 400 Bad Request\r\n\r\n");
      await fails(1, /without an SSH greeting.*--port/, "--host", "127.0.0.1", "--port", String(port));
    });
    it("the wrong user, key, or no key", async () => {
      const pin = ["--fingerprint", sshd.hostKey];
      await fails(
        2,
        /refused the key.*authorized_keys.*whoami/,
        ...reach(),
        ...pin,
        "--identity",
        sshd.strangerFile,
      );
      await fails(
        2,
        /refused the key/,
        ...reach().slice(0, 4),
        "--user",
        "nobody",
        ...pin,
        "--identity",
        sshd.identityFile,
      );
      await fails(2, /cannot be read \(ENOENT\).*--identity/, ...reach(), ...pin, "--identity", "absent");
      const keyless = await runCli(["device", "add", "x", ...reach(), ...pin], folder.path, {
        ...env,
        HOME: sshd.shared,
      });
      expect(keyless).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/no key to log in with.*--identity, or start ssh-agent/),
      });
      await fails(
        2,
        /it is a public key.*without \.pub/,
        ...reach(),
        ...pin,
        "--identity",
        `${sshd.identityFile}.pub`,
      );
    });
    it("a host key that nobody confirmed, or another one", async () => {
      await fails(2, /shows host key SHA256:.*repeat with --fingerprint SHA256:/, ...reach());
      await fails(2, /not the SHA256:AAA/, ...reach(), "--fingerprint", `SHA256:${"A".repeat(43)}`);
    });
    it("a proxy command, a jump that leads nowhere", async () => {
      const config = join(folder.path, "proxy.conf");
      writeFileSync(config, "Host p\n  ProxyCommand nc %h %p\n");
      await fails(2, /ProxyCommand.*use ProxyJump/, "--host", "p", "--ssh-config", config);
      const there = [
        "--jump",
        `${sshd.user}@${sshd.host}:${sshd.port}`,
        "--identity",
        sshd.identityFile,
        "--fingerprint",
        sshd.hostKey,
      ];
      await fails(
        1,
        /jump host could not connect to 127\.0\.0\.1:1 .*TCP forwarding/,
        "--host",
        "127.0.0.1",
        "--port",
        "1",
        ...there,
      );
    });
    it("the wrong target, an unknown profile", async () => {
      const other = process.arch === "arm64" ? "x86_64-linux" : "aarch64-linux";
      await fails(2, /the device is .*leave --target out/, ...login(), "--target", other);
      await fails(2, /profile "snapdragn"; did you mean "snapdragon"/, "--profile", "snapdragn");
    });
    it("Termux of the Play Store; any Termux where no musl build can be made", async () => {
      const before = sshd.authorizedKeys();
      const termux = (version: string) =>
        sshd.setAuthorizedKeys(
          `command="export TERMUX_VERSION=${version}; eval \\"$SSH_ORIGINAL_COMMAND\\"" ${before}`,
        );
      try {
        termux("googleplay.2025.01.18");
        await fails(1, /Termux from the Play Store.*F-Droid or GitHub/, ...login());
        termux("0.118.1");
        // Whatever is installed here, these come first.
        const shims = join(folder.path, "shims");
        mkdirSync(shims);
        for (const name of ["zig", "python3"])
          writeFileSync(join(shims, name), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
        const withoutZig = { ...env, EDGEFRONT_ZIG: "false", PATH: `${shims}:${process.env.PATH}` };
        const { code, stderr } = await runCli(["device", "add", "x", ...login()], folder.path, withoutZig);
        expect(code).toBe(1);
        expect(stderr).toMatch(/Android ends programs of glibc.*pip install ziglang/);
      } finally {
        sshd.setAuthorizedKeys(before);
      }
    });
    it("a login that runs something else than a shell", async () => {
      const before = sshd.authorizedKeys();
      sshd.setAuthorizedKeys(`command="echo 'This account is \\\\033[31mnot available'" ${before}`);
      try {
        await fails(
          1,
          /does not answer as a shell.*it said: This account.*--print-authorized-key/,
          ...login(),
        );
      } finally {
        sshd.setAuthorizedKeys(before);
      }
    });
  });
});
