// Registering devices through the command line, against real sshd processes: names of an ssh configuration,
// jumps, pins, passphrases and forced commands.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { startCli } from "../support/built-cli.ts";
import { deviceRegistration } from "../support/device-registration.ts";
import { sshdProblem } from "../support/needs.ts";
import { makesLogins } from "../support/sshd.ts";

const PASSPHRASE = "correct horse battery staple";

describe.skipIf(sshdProblem() !== null)("device add", { timeout: 600_000 }, () => {
  const setup = deviceRegistration();
  const { run, QUICK, reach, login, remove, atTerminal } = setup;

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

    // Measurements use the found placement.
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
    const included = join(setup.folder, "more.conf");
    writeFileSync(included, `Host inner\n  HostName ${setup.sshd.host}\n  ProxyJump bastion\n`);
    const config = join(setup.folder, "ssh.conf");
    writeFileSync(
      config,
      `Include ${included}\nHost bastion\n  HostName 127.0.0.1\nHost *\n  User ${setup.sshd.user}\n  Port ${setup.sshd.port}\n  IdentityFile ${setup.sshd.identityFile}\n`,
    );
    const add = (...more: string[]) =>
      run("device", "add", "inner", "--host", "inner", "--ssh-config", config, ...QUICK, ...more);
    const one = await add("--fingerprint", setup.sshd.hostKey);
    expect(one).toMatchObject({ code: 2 });
    expect(one.stderr).toContain(
      `repeat with --fingerprint ${setup.sshd.hostKey} --fingerprint ${setup.sshd.hostKey}`,
    );
    const wrong = await add("--fingerprint", `SHA256:${"B".repeat(43)}`, "--fingerprint", setup.sshd.hostKey);
    expect(wrong).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("but --fingerprint says SHA256:BBB"),
    });
    const added = await add(
      "--fingerprint",
      setup.sshd.hostKey,
      "--fingerprint",
      setup.sshd.hostKey,
      "--json",
    );
    expect(added, added.stderr).toMatchObject({ code: 0 });
    const { device } = JSON.parse(added.stdout);
    expect(device.jumps).toEqual([
      { host: "127.0.0.1", port: setup.sshd.port, user: setup.sshd.user, hostKey: setup.sshd.hostKey },
    ]);
    expect((await run("device", "show", "inner")).stdout).toMatch(
      new RegExp(`jump host +${setup.sshd.user}@127.0.0.1:${setup.sshd.port}`),
    );
    // The stored device still uses this route, with the keys of this user's own configuration.
    expect(await run("device", "probe", "inner")).toMatchObject({ code: 0 });
    await remove("inner");
  });

  it("binds a key to the agent alone, and works through it", async () => {
    const added = await run("device", "add", "bound", ...login(), ...QUICK, "--print-authorized-key");
    expect(added, added.stderr).toMatchObject({ code: 0 });
    // Registration also timed the baseline for later windows.
    const database = new Database(join(setup.folder, "edgefront.db"), { readonly: true });
    const kept = database
      .prepare("SELECT count(*) AS n FROM events WHERE kind = 'sentinel-baseline' AND device = 'bound'")
      .get();
    database.close();
    expect(kept).toEqual({ n: 1 });
    const line = added.stdout.trim().split("\n").at(-1)!;
    expect(line).toMatch(
      /^command="exec \.edgefront\/agents\/[0-9a-f]{64}\/edgefront-agent serve --confined",restrict ssh-ed25519 [A-Za-z0-9+/=]+$/,
    );
    const before = setup.sshd.authorizedKeys();
    setup.sshd.setAuthorizedKeys(line);
    try {
      expect(await run("device", "probe", "bound")).toMatchObject({ code: 0 });
      // Neither a command nor SFTP bypasses the forced command.
      const ssh = [
        "-F",
        "none",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-p",
        String(setup.sshd.port),
        "-i",
        setup.sshd.identityFile,
      ];
      const said = execFileSync(
        "ssh",
        [...ssh, `${setup.sshd.user}@${setup.sshd.host}`, "id; touch stolen"],
        {
          input: "",
          encoding: "utf8",
          stdio: ["pipe", "pipe", "ignore"],
        },
      );
      expect(said).toMatch(/^\{"v":1,"type":"hello"/);
      expect(readdirSync(setup.sshd.home)).not.toContain("stolen");
    } finally {
      setup.sshd.setAuthorizedKeys(before);
    }
    await remove("bound");
  });

  it("asks for a passphrase at a terminal only, and keeps it nowhere", async () => {
    const locked = join(setup.folder, "locked-key");
    copyFileSync(setup.sshd.identityFile, locked);
    chmodSync(locked, 0o600);
    execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", locked], { stdio: "ignore" });
    const args = ["device", "add", "locked", ...reach(), "--identity", locked, ...QUICK];
    const refused = await run(...args, "--fingerprint", setup.sshd.hostKey);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/has a passphrase.*no terminal.*ssh-add/s),
    });
    expect(refused.stderr).not.toContain(locked);

    const hostKey = /shows host key SHA256:[\s\S]*Is this its key\? \(yes\/no\)/;
    const doubted = await atTerminal(args, [[hostKey, "no"]]);
    expect(doubted.code).toBe(2);
    // The terminal may break the line.
    expect(doubted.seen).toMatch(/was not confirmed: nothing was\s+registered/);
    const { code, seen, listings } = await atTerminal(args, [
      [hostKey, "yes"],
      [/Passphrase of the key:/, PASSPHRASE],
    ]);
    expect(code, seen).toBe(0);
    expect(seen.replace(/\s/g, "")).toContain(setup.sshd.hostKey);
    expect(seen).toContain("registered locked");
    expect(seen).not.toContain(PASSPHRASE);
    for (const listing of listings) expect(listing).not.toContain(PASSPHRASE);

    // Neither the passphrase nor the key nor its path is in the database. Only the key file itself contains
    // any of them.
    const database = new Database(join(setup.folder, "edgefront.db"));
    database.pragma("wal_checkpoint(TRUNCATE)");
    database.close();
    const secret = readFileSync(locked, "utf8").split("\n")[1]!;
    for (const file of readdirSync(setup.folder, { recursive: true, withFileTypes: true }).filter((entry) =>
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
      execFileSync("chpasswd", { input: `${setup.sshd.user}:${password}\n` });
      for (const [method, config, asks] of [
        ["password", { PasswordAuthentication: "yes" }, /Password of /],
        ["keyboard-interactive", { UsePAM: "yes", KbdInteractiveAuthentication: "yes" }, /asks: Password:/],
      ] as const) {
        await setup.sshd.restart({ config: { ...config, AuthenticationMethods: `publickey,${method}` } });
        const args = ["device", "probe", "factor"];
        const record = ["device", "add", "factor", ...login(), ...QUICK];
        expect(await run(...record)).toMatchObject({
          code: 2,
          stderr: expect.stringMatching(
            new RegExp(`requires a second factor: ${method}.*Run the command at a terminal`),
          ),
        });
        // Each connection asks again: one examines the device, one starts its agent.
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
      await setup.sshd.restart();
    },
  );

  it("is interrupted by Ctrl-C, and registers nothing", async () => {
    const { child, finished } = startCli(["device", "add", "x", ...login()], setup.folder, setup.env);
    child.stderr!.on("data", (chunk: Buffer) => {
      if (/^device x:/m.test(`${chunk}`)) child.kill("SIGINT");
    });
    expect(await finished).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/^edgefront: interrupted: x was not registered$/m),
    });
    expect(JSON.parse((await run("device", "list", "--json")).stdout).devices).toHaveLength(1);
  });
});
