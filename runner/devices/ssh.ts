// A device behind sshd: one connection, SFTP for files, ssh-channel.ts for the agent. Whatever the transport does (dies silently, refuses,
// changes its key) becomes an error class; nothing waits without a deadline. Connecting is ssh-connect.ts's business.
import { createHash, randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import type { ClientChannel, SFTPWrapper, Stats } from "ssh2";
import { sanitise } from "../../profilers/protocol.ts";
import { AgentStartError, TransportLostError, UploadError } from "../agent/errors.ts";
import type { Emulator } from "./device.ts";
import { SshChannel } from "./ssh-channel.ts";
import { addressOf, CONNECT, Connection, type Endpoint } from "./ssh-connect.ts";
import {
  type AgentBinary,
  type AgentChannel,
  agentName,
  type ChannelHandlers,
  type RemoteName,
  type Transport,
  type UploadOptions,
} from "./transport.ts";

export interface SshOptions extends Endpoint {
  /** Machines to pass on the way, each pinned. */
  readonly jumps?: readonly Endpoint[] | undefined;
  readonly emulator?: Emulator | undefined;
  readonly timeouts?: Partial<typeof TIMEOUTS>;
}

const TIMEOUTS = {
  ...CONNECT,
  /** Opening a channel, or one step of a transfer. */
  stepMs: 30_000,
};
const FOLDER = ".edgefront";
/** What a device says of itself before any agent is there; no more of it is read. */
const MAX_COMMAND_BYTES = 8192;

/** What a login meets: a shell, or a forced command that answers everything the same way. */
export interface Identity {
  /** `Linux aarch64`, as of `uname -sm`; null where the answer is something else. */
  readonly system: string | null;
  /** The Termux it runs in, e.g. `0.118.1` or `googleplay.2025.01.18`. */
  readonly termux: string | null;
  /** Whatever is asked, an agent answers: the key is under a forced command. */
  readonly confined: boolean;
  /** The first of what it said, fit to be shown. */
  readonly said: string;
}

/** Starts an agent from a shell. Constant but for a checked hash: nothing a user or a device said is in it. */
export function serveCommand(
  sha256: string,
  { emulator, confined = false }: { readonly emulator?: Emulator | undefined; readonly confined?: boolean },
): string {
  const program = `${FOLDER}/${agentName(sha256)} serve${confined ? " --confined" : ""}`;
  return emulator ? `exec env EDGEFRONT_EMULATOR=${emulator} ${emulator} ${program}` : `exec ${program}`;
}

export class SshTransport implements Transport {
  readonly kind = "ssh";
  readonly #timeouts: typeof TIMEOUTS;
  readonly #onLost = new Set<(error: TransportLostError) => void>();
  readonly #channels = new Set<SshChannel>();
  #connection: Connection | undefined;
  #sftp: SFTPWrapper | undefined;
  #lost: TransportLostError | undefined;
  #identity: Identity | undefined;

  constructor(private readonly options: SshOptions) {
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
  }

  get #address(): string {
    return addressOf(this.options);
  }

  get #client() {
    return this.#connection!.client;
  }

  async open(): Promise<void> {
    this.#connection = await Connection.open([...(this.options.jumps ?? []), this.options], this.#timeouts);
    let last: Error | undefined;
    this.#client.on("error", (error) => {
      last = error;
    });
    this.#client.once("close", () => this.#lose(last));
    this.#identity = await this.#identify();
  }

  /** What the login met, once open. */
  get identity(): Identity {
    return this.#identity!;
  }

  get confined(): boolean {
    return this.identity.confined;
  }

  /** Asks what is there, by a command that every shell of Linux and Android understands. */
  async #identify(): Promise<Identity> {
    const { stdout, stderr } = await this.#command('uname -sm; env | grep "^TERMUX_VERSION="');
    const [first = ""] = stdout.split("\n");
    const said = sanitise((stdout.trim() || stderr.trim()).split("\n")[0] ?? "").slice(0, 200);
    return {
      confined: /^\{"v":\d+,"type":"hello","agent":"edgefront-agent"/.test(said),
      system: /^[A-Za-z]{1,20} [a-z0-9_]{1,20}$/.test(first) ? first : null,
      termux: /^TERMUX_VERSION=([\w.-]{1,40})$/m.exec(stdout)?.[1] ?? null,
      said,
    };
  }

  /** Runs one of our constant commands, its input closed. @throws AgentStartError for one who says more than `MAX_COMMAND_BYTES`. */
  async #command(command: string): Promise<{ stdout: string; stderr: string }> {
    const stream = await this.#exec(command);
    // No answer keeps the step alive: it has to end in time.
    return this.#step("a first command", () => {
      const texts = { stdout: "", stderr: "" };
      return new Promise((resolve, reject) => {
        const take = (name: keyof typeof texts) => (chunk: Buffer) => {
          texts[name] += chunk.toString("utf8");
          if (texts[name].length <= MAX_COMMAND_BYTES) return;
          stream.removeAllListeners("data");
          reject(
            new AgentStartError(
              `${this.#address} answers a short question without end`,
              "Log in by hand and look what its shell prints",
            ),
          );
        };
        stream.on("data", take("stdout"));
        stream.stderr.on("data", take("stderr"));
        stream.on("error", () => {});
        stream.once("close", () => resolve(texts));
        stream.end();
      });
    });
  }

  #exec(command: string): Promise<ClientChannel> {
    return this.#step("starting a command", () =>
      // exec throws synchronously once the connection has ended; callback() turns that into a rejection.
      callback<ClientChannel>((done) => this.#client.exec(command, done)),
    ).catch((cause) => {
      if (cause instanceof TransportLostError) throw cause;
      const reason = sanitise((cause as Error).message);
      throw new AgentStartError(
        `${this.#address} refused to run a command: ${reason}`,
        "Its sshd must allow this login to run commands",
        { cause },
      );
    });
  }

  #lose(cause: Error | undefined): void {
    if (this.#lost) return;
    this.#lost = new TransportLostError(
      `the connection to ${this.#address} was lost${cause ? `: ${sanitise(cause.message).slice(0, 300)}` : ""}`,
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
        this.#connection!.destroy();
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
    const there = await this.#step("stat", () => callback<Stats>((done) => sftp.stat(path, done))).catch(
      orUndefined,
    );
    if (there?.size === size && (await this.#hashOf(sftp, path, size)) === sha256) return path;

    const part = `${path}.${randomBytes(4).toString("hex")}.part`;
    try {
      await this.#makeFolders(sftp, path);
      await this.#requireRoom(sftp, name, size);
      await this.#step("upload", (alive) => {
        const step = () => {
          options.signal?.throwIfAborted();
          alive();
        };
        return callback<void>((done) => sftp.fastPut(localPath, part, { step }, done));
      });
      const arrived = await this.#hashOf(sftp, part, size);
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
      await this.#requireRoom(sftp, name, size);
      throw new UploadError(
        `${name} could not be written on ${this.#address}: ${sanitise((cause as Error).message)}`,
        "Check free space and permissions of ~/.edgefront there",
        { cause },
      );
    }
    return path;
  }

  /** @throws UploadError where less than `size` bytes are free. */
  async #requireRoom(sftp: SFTPWrapper, name: RemoteName, size: number): Promise<void> {
    const free = await this.#freeBytes(sftp);
    if (free === null || free >= size) return;
    throw new UploadError(
      `no room for ${name} on ${this.#address}: it takes ${size} bytes, ${free} are free`,
      "Make room there; ~/.edgefront may be emptied at any time",
    );
  }

  /** Null where the server does not tell, or is gone. */
  async #freeBytes(sftp: SFTPWrapper): Promise<number | null> {
    type Space = { f_bavail: number; f_frsize: number };
    return this.#step("free space", () =>
      callback<Space>((done) => sftp.ext_openssh_statvfs(FOLDER, done as never)),
    ).then(
      ({ f_bavail, f_frsize }) => f_bavail * f_frsize,
      () => null,
    );
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

  /** Of a file of `size` bytes; one that goes on beyond them has none, and is not read on. */
  #hashOf(sftp: SFTPWrapper, path: string, size: number): Promise<string | null> {
    return this.#step("reading back", async (alive) => {
      const hash = createHash("sha256");
      const stream = sftp.createReadStream(path, { highWaterMark: 256 * 1024 });
      // The loop below throws what goes wrong; a request that dies with the transport after it ended reaches nobody else.
      stream.on("error", () => undefined);
      // Destroyed, not left pending, if the transport dies.
      const stop = () => stream.destroy(new Error("the transport died"));
      this.#onLost.add(stop);
      try {
        let read = 0;
        for await (const chunk of stream) {
          hash.update(chunk as Buffer);
          read += (chunk as Buffer).length;
          if (read > size) return null;
          alive();
        }
      } finally {
        this.#onLost.delete(stop);
      }
      return hash.digest("hex");
    });
  }

  async serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel> {
    const stream = await this.#exec(serveCommand(binary.sha256, this.options));
    const channel = new SshChannel(
      stream,
      handlers,
      () => this.#lost,
      () => this.#connection!.destroy(),
      (gone) => this.#channels.delete(gone),
    );
    this.#channels.add(channel);
    return channel;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    await this.#connection?.close();
    this.#connection = undefined;
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
