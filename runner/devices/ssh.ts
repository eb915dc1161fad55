// A device behind sshd: one connection with the host key pinned, one channel for the agent, SFTP for files. Whatever the transport
// does (dies silently, refuses, changes its key) becomes an error class here; nothing waits without a deadline.
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import ssh2, { type ClientChannel, type ConnectConfig, type SFTPWrapper } from "ssh2";
import {
  AgentStartError,
  AuthenticationError,
  HostKeyChangedError,
  IdentityFileError,
  TransportLostError,
  UnreachableError,
  UploadError,
} from "../agent/errors.ts";
import type { Emulator } from "./device.ts";
import { fingerprint } from "./fingerprint.ts";
import { LineSplitter, StderrTail } from "./lines.ts";
import {
  type AgentBinary,
  type AgentChannel,
  agentName,
  type ChannelHandlers,
  type RemoteName,
  type Transport,
  type UploadOptions,
} from "./transport.ts";

export interface SshOptions {
  readonly host: string;
  readonly port?: number | undefined;
  readonly user: string;
  /** Absent: ssh-agent, else the usual files of ~/.ssh. */
  readonly identityFile?: string | undefined;
  readonly passphrase?: string | undefined;
  /** The pinned fingerprint; there is no way to connect without one. */
  readonly hostKey: string;
  readonly emulator?: Emulator | undefined;
  readonly timeouts?: Partial<typeof TIMEOUTS>;
}

const TIMEOUTS = {
  connectMs: 20_000,
  /** Opening a channel, or one step of a transfer. */
  stepMs: 30_000,
  keepaliveMs: 10_000,
  keepaliveTries: 4,
};
const FOLDER = ".edgefront";

export class SshTransport implements Transport {
  readonly kind = "ssh";
  readonly #client = new ssh2.Client();
  readonly #timeouts: typeof TIMEOUTS;
  readonly #onLost = new Set<(error: TransportLostError) => void>();
  readonly #channels = new Set<SshChannel>();
  #sftp: SFTPWrapper | undefined;
  #lost: TransportLostError | undefined;
  /** From "ready" to "close"; outside it no "close" will come. */
  #connected = false;

  constructor(private readonly options: SshOptions) {
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
  }

  get #address(): string {
    return `${this.options.user}@${this.options.host}:${this.options.port ?? 22}`;
  }

  async open(): Promise<void> {
    const { host, port = 22, user, hostKey } = this.options;
    const credentials = await findCredentials(this.options);
    let seenKey: string | undefined;
    const config: ConnectConfig = {
      host,
      port,
      username: user,
      readyTimeout: this.#timeouts.connectMs,
      keepaliveInterval: this.#timeouts.keepaliveMs,
      keepaliveCountMax: this.#timeouts.keepaliveTries,
      // Also asked on every rekey.
      hostVerifier: (key: Buffer) => {
        seenKey = fingerprint(key);
        return seenKey === hostKey;
      },
      ...credentials,
    };
    await new Promise<void>((resolve, reject) => {
      let last: (Error & { level?: string }) | undefined;
      const refuse = () => {
        if (seenKey !== undefined && seenKey !== hostKey) {
          return reject(
            new HostKeyChangedError(
              `the host key of ${this.#address} is ${seenKey}, not the pinned ${hostKey}`,
              "If the device was set up anew, remove it and add it again; otherwise somebody else may be answering",
            ),
          );
        }
        if (last?.level === "client-authentication") {
          return reject(
            new AuthenticationError(
              `${this.#address} refused the key`,
              "Put the public key into ~/.ssh/authorized_keys there; wait 30 s before the next try",
              { cause: last },
            ),
          );
        }
        reject(
          new UnreachableError(
            `${this.#address} cannot be reached: ${last?.message ?? "the connection was closed"}`,
            "Check that the device is on, the address and the port (Termux listens on 8022)",
            { cause: last },
          ),
        );
      };
      this.#client.on("error", (error) => {
        last = error;
      });
      this.#client.once("close", refuse);
      this.#client.once("ready", () => {
        this.#client.off("close", refuse);
        this.#connected = true;
        this.#client.setNoDelay(true);
        this.#client.once("close", () => this.#lose(last));
        resolve();
      });
      try {
        this.#client.connect(config);
      } catch (cause) {
        this.#client.off("close", refuse);
        const message = (cause as Error).message;
        reject(
          new IdentityFileError(
            `the key for ${this.#address} cannot be used: ${message}`,
            "Name an OpenSSH private key; add one with a passphrase to ssh-agent (`ssh-add`)",
            { cause },
          ),
        );
      }
    });
  }

  #lose(cause: Error | undefined): void {
    this.#connected = false;
    if (this.#lost) return;
    this.#lost = new TransportLostError(
      `the connection to ${this.#address} was lost${cause ? `: ${cause.message}` : ""}`,
      "",
      { cause },
    );
    for (const notify of this.#onLost) notify(this.#lost);
    this.#onLost.clear();
  }

  /** Runs a step that ssh2 may never finish: it also ends when the transport dies or nothing moves for `stepMs`. */
  async #step<T>(what: string, run: (alive: () => void) => Promise<T>): Promise<T> {
    if (this.#lost) throw this.#lost;
    let timer: NodeJS.Timeout | undefined;
    let notify: ((error: TransportLostError) => void) | undefined;
    const broken = new Promise<never>((_, reject) => {
      notify = reject;
      this.#onLost.add(reject);
      timer = setTimeout(() => {
        const error = new TransportLostError(
          `${what} on ${this.#address}: nothing moved for ${this.#timeouts.stepMs} ms`,
        );
        reject(error);
        this.#client.destroy();
      }, this.#timeouts.stepMs);
    });
    try {
      return await Promise.race([run(() => timer?.refresh()), broken]);
    } catch (error) {
      // ssh2 reports a dead transport to each pending call in words of its own.
      if (this.#lost) throw this.#lost;
      throw error;
    } finally {
      clearTimeout(timer);
      if (notify) this.#onLost.delete(notify);
    }
  }

  async #openSftp(): Promise<SFTPWrapper> {
    this.#sftp ??= await this.#step("opening SFTP", () =>
      callback<SFTPWrapper>((done) => this.#client.sftp(done)),
    ).catch((cause) => {
      if (cause instanceof TransportLostError) throw cause;
      throw new UploadError(`${this.#address} offers no SFTP`, "Enable the sftp subsystem of its sshd", {
        cause,
      });
    });
    return this.#sftp;
  }

  async upload(
    localPath: string,
    name: RemoteName,
    sha256: string,
    options: UploadOptions = {},
  ): Promise<string> {
    const path = `${FOLDER}/${name}`;
    const sftp = await this.#openSftp();
    const { size } = await stat(localPath);
    const there = await this.#step("stat", () => callback<ssh2.Stats>((done) => sftp.stat(path, done))).catch(
      orUndefined,
    );
    if (there?.size === size && (await this.#hashOf(sftp, path)) === sha256) return path;

    const part = `${path}.${randomBytes(4).toString("hex")}.part`;
    try {
      await this.#makeFolders(sftp, path);
      await this.#step("upload", (alive) => {
        const step = () => {
          options.signal?.throwIfAborted();
          alive();
        };
        return callback<void>((done) => sftp.fastPut(localPath, part, { step }, done));
      });
      const arrived = await this.#hashOf(sftp, part);
      if (arrived !== sha256)
        throw new UploadError(
          `${name} arrived on ${this.#address} changed`,
          "Try again; if it persists, check the disk there",
        );
      const mode = options.executable ? 0o700 : 0o600;
      await this.#step("chmod", () => callback<void>((done) => sftp.chmod(part, mode, done)));
      // Not the plain rename of SFTP 3, which refuses an existing target.
      await this.#step("rename", () => callback<void>((done) => sftp.ext_openssh_rename(part, path, done)));
    } catch (cause) {
      if (cause instanceof TransportLostError || cause instanceof UploadError) throw cause;
      void callback<void>((done) => sftp.unlink(part, done)).catch(() => {});
      options.signal?.throwIfAborted();
      throw new UploadError(
        `${name} could not be written on ${this.#address}: ${(cause as Error).message}`,
        "Check free space and permissions of ~/.edgefront there",
        { cause },
      );
    }
    return path;
  }

  async #makeFolders(sftp: SFTPWrapper, path: string): Promise<void> {
    const folders = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= folders.length; depth++) {
      const folder = folders.slice(0, depth).join("/");
      // It exists, or the write that follows tells why not.
      await this.#step("mkdir", () =>
        callback<void>((done) => sftp.mkdir(folder, { mode: 0o700 }, done)),
      ).catch(orUndefined);
    }
  }

  #hashOf(sftp: SFTPWrapper, path: string): Promise<string> {
    return this.#step("reading back", async (alive) => {
      const hash = createHash("sha256");
      const stream = sftp.createReadStream(path, { highWaterMark: 256 * 1024 });
      // Destroyed, not left pending, if the transport dies.
      const stop = () => stream.destroy(new Error("the transport died"));
      this.#onLost.add(stop);
      try {
        for await (const chunk of stream) {
          hash.update(chunk as Buffer);
          alive();
        }
      } finally {
        this.#onLost.delete(stop);
      }
      return hash.digest("hex");
    });
  }

  async serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel> {
    // Constant but for a checked hash: nothing a user or a device said is in a shell line.
    const program = `${FOLDER}/${agentName(binary.sha256)}`;
    const { emulator } = this.options;
    const command = emulator
      ? `exec env EDGEFRONT_EMULATOR=${emulator} ${emulator} ${program} serve`
      : `exec ${program} serve`;
    const stream = await this.#step("starting the agent", () =>
      // exec throws synchronously once the connection has ended; callback() turns that into a rejection.
      callback<ClientChannel>((done) => this.#client.exec(command, done)),
    ).catch((cause) => {
      if (cause instanceof TransportLostError) throw cause;
      throw new AgentStartError(
        `${this.#address} refused to run a command: ${(cause as Error).message}`,
        "",
        { cause },
      );
    });
    const channel = new SshChannel(
      stream,
      handlers,
      () => this.#lost,
      () => this.#client.destroy(),
      (gone) => this.#channels.delete(gone),
    );
    this.#channels.add(channel);
    return channel;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    if (!this.#connected) return;
    const closed = new Promise<void>((resolve) => this.#client.once("close", () => resolve()));
    this.#client.end();
    const timer = setTimeout(() => this.#client.destroy(), 2000);
    await closed;
    clearTimeout(timer);
  }
}

class SshChannel implements AgentChannel {
  readonly #ended: Promise<void>;
  #over = false;

  constructor(
    private readonly stream: ClientChannel,
    handlers: ChannelHandlers,
    lost: () => TransportLostError | undefined,
    private readonly destroyTransport: () => void,
    onGone: (channel: SshChannel) => void,
  ) {
    const stderr = new StderrTail();
    const lines = new LineSplitter((line) => handlers.onLine(line));
    let flooded = false;
    let exit: { code: number | null; signal: string | null } | undefined;
    stream.on("data", (chunk: Buffer) => {
      if (flooded || lines.push(chunk)) return;
      flooded = true;
      this.kill();
    });
    // Shares its window with stdout: unread, it would stall both.
    stream.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    stream.on("error", () => {});
    stream.on("exit", (code: number | null, signal?: string) => {
      exit = { code, signal: signal ?? null };
    });
    this.#ended = new Promise((resolve) => {
      // Not "exit", which may never come. A close without an exit status means that the transport died.
      stream.once("close", () => {
        this.#over = true;
        const error = lost();
        if (flooded)
          handlers.onEnd({ kind: "flooded", reason: "an answer line was longer than the protocol allows" });
        else if (exit) handlers.onEnd({ kind: "exited", ...exit, stderr: stderr.text() });
        else
          handlers.onEnd({
            kind: "lost",
            reason: error?.message ?? "the connection was lost",
            ...(error ? { cause: error } : {}),
          });
        onGone(this);
        resolve();
      });
    });
  }

  send(line: string): void {
    if (!this.#over && this.stream.writable) this.stream.write(`${line}\n`);
  }

  async close(graceMs = 2000): Promise<void> {
    if (!this.#over) this.stream.end();
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  /** The far side may be hung: only cutting the connection is sure to end its stdin. */
  kill(): void {
    if (!this.#over) this.destroyTransport();
  }
}

/** A Node callback as a promise; also catches what ssh2 throws synchronously. */
function callback<T>(
  start: (done: (error: Error | null | undefined, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) =>
    start((error, value) => (error ? reject(error) : resolve(value as T))),
  );
}

function orUndefined(error: unknown): undefined {
  if (error instanceof TransportLostError) throw error;
  return undefined;
}

async function findCredentials(options: SshOptions): Promise<Partial<ConnectConfig>> {
  const socket = process.env.SSH_AUTH_SOCK;
  const { identityFile, passphrase } = options;
  if (identityFile === undefined && socket) return { agent: socket, authHandler: ["agent"] };
  const usual = ["id_ed25519", "id_ecdsa", "id_rsa"].map((name) => join(homedir(), ".ssh", name));
  const path = identityFile ?? usual.find((file) => existsSync(file));
  if (path === undefined)
    throw new IdentityFileError(
      "there is no key to log in with",
      "Name one with --identity, or start ssh-agent",
    );
  const privateKey = await readFile(path).catch((cause) => {
    throw new IdentityFileError(`the key file cannot be read: ${(cause as Error).message}`, "", { cause });
  });
  return { privateKey, ...(passphrase === undefined ? {} : { passphrase }), authHandler: ["publickey"] };
}
