// Registering devices through the command line, against a real sshd.
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { runCli, temporaryFolder } from "./built-cli.ts";
import { startSshd, type TestSshd } from "./sshd.ts";

/**
 * Registers the hooks of a group of tests: a server that accepts one key, and a folder with its own database.
 */
export function deviceRegistration() {
  let sshd: TestSshd;
  let folder: ReturnType<typeof temporaryFolder>;
  let env: Record<string, string>;
  const run = (...args: string[]) => runCli(args, folder.path, env);
  /** One placement is enough where placements are not tested. */
  const QUICK = ["--threads", "1"];
  const reach = () => ["--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user];
  const login = () => [...reach(), "--identity", sshd.identityFile, "--fingerprint", sshd.hostKey];
  const remove = async (name: string) => {
    expect(await run("device", "remove", name)).toMatchObject({ code: 0 });
  };

  /** Runs a command at a terminal and answers each question once, in order. */
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
    /** Process lists meanwhile, as every user of this machine could see them. */
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
  return {
    run,
    QUICK,
    reach,
    login,
    remove,
    atTerminal,
    get sshd(): TestSshd {
      return sshd;
    },
    get folder(): string {
      return folder.path;
    },
    get env(): Record<string, string> {
      return env;
    },
  };
}
