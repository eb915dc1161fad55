// Logins through the ssh transport with an OpenSSH configuration, against a real sshd.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { type RouteOptions, routeTo } from "../../runner/devices/ssh-config.ts";
import { SshTransport } from "../../runner/devices/ssh-transport.ts";
import { temporaryFolder } from "./built-cli.ts";
import { type SshdConfig, startSshd, type TestSshd } from "./sshd.ts";

const QUICK = { connectMs: 8000, stepMs: 5000, keepaliveMs: 1000, keepaliveTries: 3 };
/** Runs a helper program of OpenSSH. */
export const run = (program: string, args: string[], env: Record<string, string> = {}) =>
  execFileSync(program, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, ...env },
  });

/**
 * Registers the hooks of a group of tests: a server, and for each test a home with accepted keys (`good`) and
 * other keys (`other`).
 */
export function sshLogins() {
  let folder: ReturnType<typeof temporaryFolder>;
  const saved = { ...process.env };
  const agents: number[] = [];
  let sshd: TestSshd;
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
  /** The spelling of an environment variable in a configuration. */
  const variable = (name: string): string => ["$", "{", name, "}"].join("");
  const withServer = async (config: SshdConfig, body: () => Promise<void>): Promise<void> => {
    await sshd.restart({ config });
    try {
      await body();
    } finally {
      await sshd.restart();
    }
  };
  return {
    at,
    makeKey,
    agent,
    configured,
    login,
    reach,
    variable,
    withServer,
    get sshd(): TestSshd {
      return sshd;
    },
    get folder(): string {
      return folder.path;
    },
  };
}
