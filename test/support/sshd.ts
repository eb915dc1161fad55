// A real sshd on loopback for tests: its own port, host key, configuration and authorised key, and a login
// that is not root. Run by root, it creates a user for the time of the test. Otherwise it logs in as the user
// who runs the tests.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].find((path) => existsSync(path));
export const hasSshd = SSHD !== undefined;

export type SshdConfig = Readonly<Record<string, string | number>>;

/** Only root can create separate logins. Tests that change a login are skipped elsewhere. */
export const makesLogins = userInfo().uid === 0;

export interface TestSshd {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly identityFile: string;
  /** A key that the server does not know. */
  readonly strangerFile: string;
  readonly hostKey: string;
  readonly hostKeyFile: string;
  /** Folder in which its sessions start. */
  readonly home: string;
  /** A folder that both the login and the tests may write. */
  readonly shared: string;
  authorizedKeys(): string;
  setAuthorizedKeys(text: string): void;
  /** Kills the listening process; sessions survive. */
  killListener(): void;
  /** Kills the server's side of every open session. */
  killSessions(): void;
  /** From the next login on, no key is accepted, or the right one again. */
  authorize(known: boolean): void;
  /**
   * Restarts the server on its port, with another host key on request, and with extra lines of sshd_config.
   */
  restart(options?: { newHostKey?: boolean; config?: SshdConfig }): Promise<string>;
  /**
   * Gives the login bash as its shell, with a start-up file that bash reads under sshd. Only for a login
   * created for the test.
   */
  setStartUp(text: string): void;
  stop(): Promise<void>;
}

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

function makeKey(file: string): string {
  rmSync(file, { force: true });
  run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file);
  return run("ssh-keygen", "-lf", `${file}.pub`).split(" ")[1]!;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function waitForPort(port: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      // On a busy machine the time may be over before the answer is read.
      socket.on("error", () => {}).on("close", () => resolve(false));
      setTimeout(() => socket.destroy(), 50);
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error("sshd did not open its port");
}

function processes(...which: string[]): number[] {
  try {
    return run("pgrep", ...which)
      .split("\n")
      .filter(Boolean)
      .map(Number);
  } catch {
    return []; // none
  }
}
const childrenOf = (pid: number): number[] => processes("-P", String(pid));
const processesOf = (user: string): number[] => processes("-u", user);

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}

let started = 0;

export async function startSshd(): Promise<TestSshd> {
  const folder = mkdtempSync(join(tmpdir(), "edgefront-sshd-"));
  chmodSync(folder, 0o755);
  const isRoot = makesLogins;
  const user = isRoot ? `ef${process.pid}x${++started}` : userInfo().username;
  if (isRoot) {
    mkdirSync("/run/sshd", { recursive: true });
    // `*`: no password, but not locked, because a server without PAM refuses locked logins.
    run("useradd", "-m", "-d", join(folder, "home"), "-p", "*", "-s", "/bin/sh", user);
  }
  const shared = join(folder, "shared");
  mkdirSync(shared);
  chmodSync(shared, 0o777);
  const hostFile = join(folder, "host");
  let hostKey = makeKey(hostFile);
  makeKey(join(folder, "identity"));
  makeKey(join(folder, "stranger"));
  const authorized = join(folder, "authorized_keys");
  copyFileSync(join(folder, "identity.pub"), authorized);
  const port = await freePort();
  const config = {
    Port: port,
    ListenAddress: "127.0.0.1",
    HostKey: hostFile,
    AuthorizedKeysFile: authorized,
    AllowUsers: user,
    PasswordAuthentication: "no",
    KbdInteractiveAuthentication: "no",
    UsePAM: "no",
    StrictModes: "no",
    PidFile: "none",
    Subsystem: "sftp internal-sftp",
    LogLevel: "ERROR",
    // Its agents use the device lock of this test run, not that of other programs on the machine.
    ...(process.env.EDGEFRONT_HOST_LOCK && {
      SetEnv: `EDGEFRONT_HOST_LOCK="${process.env.EDGEFRONT_HOST_LOCK}"`,
    }),
  };
  const configFile = join(folder, "config");
  const configure = (changes: SshdConfig) =>
    writeFileSync(
      configFile,
      Object.entries({ ...config, ...changes })
        .map(([key, value]) => `${key} ${value}\n`)
        .join(""),
    );
  configure({});

  let daemon: ChildProcess;
  const start = async () => {
    daemon = spawn(SSHD!, ["-D", "-e", "-f", configFile], { stdio: "ignore" });
    await waitForPort(port);
  };
  await start();
  const sessions = new Set<number>();
  const noteSessions = () => {
    for (const pid of childrenOf(daemon.pid!)) sessions.add(pid);
  };
  const killSessions = () => {
    noteSessions();
    for (const pid of sessions) {
      // The privileged half first, then the half that serves the user.
      for (const each of [pid, ...childrenOf(pid)]) kill(each);
    }
    sessions.clear();
  };
  const killListener = () => {
    noteSessions();
    daemon.kill("SIGKILL");
  };
  return {
    host: "127.0.0.1",
    port,
    user,
    identityFile: join(folder, "identity"),
    strangerFile: join(folder, "stranger"),
    get hostKey() {
      return hostKey;
    },
    hostKeyFile: hostFile,
    home: isRoot ? join(folder, "home") : userInfo().homedir,
    shared,
    authorizedKeys: () => readFileSync(config.AuthorizedKeysFile, "utf8"),
    setAuthorizedKeys: (text) => writeFileSync(config.AuthorizedKeysFile, `${text.trimEnd()}\n`),
    killListener,
    killSessions,
    authorize(known) {
      copyFileSync(join(folder, known ? "identity.pub" : "stranger.pub"), authorized);
    },
    async restart(options = {}) {
      killListener();
      if (options.newHostKey) hostKey = makeKey(hostFile);
      configure(options.config ?? {});
      await start();
      return hostKey;
    },
    setStartUp(text) {
      if (!isRoot) throw new Error("the login is the user's own");
      run("usermod", "-s", "/bin/bash", user);
      writeFileSync(join(folder, "home", ".bashrc"), text);
      chmodSync(join(folder, "home", ".bashrc"), 0o644);
    },
    async stop() {
      killListener();
      killSessions();
      if (isRoot) {
        // Any process that the test's own login still runs.
        for (const pid of processesOf(user)) kill(pid);
        for (let i = 0; i < 20; i++) {
          try {
            run("userdel", "-r", "-f", user);
            break;
          } catch {
            await sleep(100);
          }
        }
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
