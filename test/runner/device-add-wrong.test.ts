// Every mistake in registering a device ends with its reason and remedy, against a real sshd.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { runCli } from "../support/built-cli.ts";
import { deviceRegistration } from "../support/device-registration.ts";
import { sshdProblem } from "../support/needs.ts";

describe.skipIf(sshdProblem() !== null)("a wrong step of device add", { timeout: 600_000 }, () => {
  const setup = deviceRegistration();
  const { run, reach, login } = setup;

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
    await fails(2, /is for a remote device; give --host/, "--profile", "ryzen");
    await fails(2, /not a host name/, "--host=-oProxyCommand=touch stolen");
    await fails(2, /--host needs a value .*--help/, "--host", "-oProxyCommand=touch stolen");
    await fails(2, /not a host name/, "--host", "a b");
    await fails(2, /--port is .*, but must be a whole number from 1 to 65535/, "--host", "a", "--port", "x");
    await fails(
      2,
      /--threads is 0, but must be a whole number from 1 to 1024/,
      "--host",
      "a",
      "--threads",
      "0",
    );
    await fails(1, /no host named no-such-host\.invalid.*~\/\.ssh\/config/, "--host", "no-such-host.invalid");
  });
  it("the wrong port", async () => {
    await fails(1, /nothing listens on 127\.0\.0\.1:1 .*8022/, "--host", "127.0.0.1", "--port", "1");
    const port = await listen("HTTP/1.1 400 Bad Request\r\n\r\n");
    await fails(1, /without an SSH greeting.*--port/, "--host", "127.0.0.1", "--port", String(port));
  });
  it("the wrong user, key, or no key", async () => {
    const pin = ["--fingerprint", setup.sshd.hostKey];
    await fails(
      2,
      /refused the key.*authorized_keys.*whoami/,
      ...reach(),
      ...pin,
      "--identity",
      setup.sshd.strangerFile,
    );
    await fails(
      2,
      /refused the key/,
      ...reach().slice(0, 4),
      "--user",
      "nobody",
      ...pin,
      "--identity",
      setup.sshd.identityFile,
    );
    await fails(2, /cannot be read \(ENOENT\).*--identity/, ...reach(), ...pin, "--identity", "absent");
    const keyless = await runCli(["device", "add", "x", ...reach(), ...pin], setup.folder, {
      ...setup.env,
      HOME: setup.sshd.shared,
    });
    expect(keyless).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/there is no key for .*--identity FILE, or start ssh-agent/),
    });
    await fails(
      2,
      /it is a public key.*without \.pub/,
      ...reach(),
      ...pin,
      "--identity",
      `${setup.sshd.identityFile}.pub`,
    );
  });
  it("a host key that nobody confirmed, or another one", async () => {
    await fails(2, /shows host key SHA256:.*repeat with --fingerprint SHA256:/, ...reach());
    await fails(
      2,
      /but --fingerprint says SHA256:AAA/,
      ...reach(),
      "--fingerprint",
      `SHA256:${"A".repeat(43)}`,
    );
  });
  it("a proxy command, a jump that leads nowhere", async () => {
    const config = join(setup.folder, "proxy.conf");
    writeFileSync(config, "Host p\n  ProxyCommand nc %h %p\n");
    await fails(2, /ProxyCommand.*use ProxyJump/, "--host", "p", "--ssh-config", config);
    const there = [
      "--jump",
      `${setup.sshd.user}@${setup.sshd.host}:${setup.sshd.port}`,
      "--identity",
      setup.sshd.identityFile,
      "--fingerprint",
      setup.sshd.hostKey,
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
    const before = setup.sshd.authorizedKeys();
    const termux = (version: string) =>
      setup.sshd.setAuthorizedKeys(
        `command="export TERMUX_VERSION=${version}; eval \\"$SSH_ORIGINAL_COMMAND\\"" ${before}`,
      );
    try {
      termux("googleplay.2025.01.18");
      await fails(1, /Termux from the Play Store.*F-Droid or GitHub/, ...login());
      termux("0.118.1");
      // These programs come first in the path, whatever is installed.
      const shims = join(setup.folder, "shims");
      mkdirSync(shims);
      for (const name of ["zig", "python3"])
        writeFileSync(join(shims, name), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      const withoutZig = { ...setup.env, EDGEFRONT_ZIG: "false", PATH: `${shims}:${process.env.PATH}` };
      const { code, stderr } = await runCli(["device", "add", "x", ...login()], setup.folder, withoutZig);
      expect(code).toBe(1);
      expect(stderr).toMatch(/Android ends programs of glibc.*pip install ziglang/);
    } finally {
      setup.sshd.setAuthorizedKeys(before);
    }
  });
  it("a login that runs something else than a shell", async () => {
    const before = setup.sshd.authorizedKeys();
    setup.sshd.setAuthorizedKeys(`command="echo 'This account is \\\\033[31mnot available'" ${before}`);
    try {
      await fails(1, /does not answer like a shell.*its output: This account/, ...login());
    } finally {
      setup.sshd.setAuthorizedKeys(before);
    }
  });
});
