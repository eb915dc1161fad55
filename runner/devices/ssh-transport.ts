// A device behind sshd: one connection, ssh-files.ts for files, ssh-channel.ts for the agent. A transport
// that dies, refuses or changes its key becomes an error class, and every wait has a deadline. ssh-connect.ts
// connects.
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientChannel, SFTPWrapper } from "ssh2";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { AgentStartError, NoSessionError, TransportLostError, UploadError } from "./device-errors.ts";
import type { Emulator } from "./device-record.ts";
import { noteExit, SshChannel } from "./ssh-channel.ts";
import { addressOf, CONNECT, Connection, type Endpoint } from "./ssh-connect.ts";
import { FOLDER, SshFiles } from "./ssh-files.ts";
import { askWhatIsThere, FIRST_COMMAND, type Identity } from "./ssh-identify.ts";
import { callback, Steps } from "./ssh-step.ts";
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
  /** Jump hosts, each with a pinned host key. */
  readonly jumps?: readonly Endpoint[] | undefined;
  readonly emulator?: Emulator | undefined;
  readonly timeouts?: Partial<typeof TIMEOUTS>;
}

const TIMEOUTS = {
  ...CONNECT,
  /** Limit for opening a channel, or for one step of a transfer. */
  stepMs: 30_000,
  /** Limit for a whole upload, in addition to its time at the slowest accepted rate. */
  uploadMs: 120_000,
  uploadBytesPerSecond: 16_384,
};
/** Time for the far side to confirm the end of a channel. */
const CLOSE_MS = 3000;
/** Longest pause between tries to open a channel. */
const MAX_PAUSE_MS = 1600;

/**
 * Returns the shell command that starts an agent. It is constant except for a checked hash, and contains no
 * data of a user or a device.
 */
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
  readonly #steps: Steps;
  readonly #channels = new Set<SshChannel>();
  #connection: Connection | undefined;
  #sftp: SFTPWrapper | undefined;
  /** Files that this session uploaded or found; they are in use. */
  readonly #wanted = new Set<string>();
  readonly #gone = new WeakSet<ClientChannel>();
  /** Resolves when the previous channels have ended. */
  #closed: Promise<unknown> = Promise.resolve();
  #identity: Identity | undefined;

  constructor(private readonly options: SshOptions) {
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    this.#steps = new Steps(this.#address, this.#timeouts.stepMs, () => this.#connection?.destroy());
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
    this.#client.once("close", () => this.#steps.lose(last));
    this.#identity = await this.#identify();
  }

  /** The identity of the far side, once open. */
  get identity(): Identity {
    return this.#identity!;
  }

  get confined(): boolean {
    return this.identity.confined;
  }

  async #identify(): Promise<Identity> {
    const stream = await this.#exec(FIRST_COMMAND);
    try {
      return await askWhatIsThere(stream, this.#address, this.#steps.run);
    } finally {
      // Background programs of the shell may still print and would keep the channel open.
      stream.resume().stderr.resume();
      if (!this.#gone.has(stream)) this.#closing(stream, () => stream.close());
    }
  }

  /** Ends a channel. The next one waits for that, because a server may allow only one (MaxSessions 1). */
  #closing(channel: Pick<ClientChannel, "once">, end: () => void): void {
    const closed = new Promise<void>((resolve) => channel.once("close", () => resolve()));
    end();
    this.#closed = Promise.race([
      Promise.all([this.#closed, closed]),
      sleep(CLOSE_MS, undefined, { ref: false }),
    ]);
  }

  /** Opens a channel. A server that allows only one may need a moment after the end of the previous one. */
  async #open<T>(what: string, start: (done: (error?: Error | null, value?: T) => void) => void): Promise<T> {
    await this.#closed;
    for (let pause = 50; ; pause *= 2) {
      try {
        return await this.#steps.run(what, () => callback<T>(start));
      } catch (error) {
        const full = /channel open failure/i.test((error as Error).message);
        if (!full || error instanceof TransportLostError) throw error;
        // An open channel of ours would not end by itself.
        if (this.#channels.size > 0 || pause > MAX_PAUSE_MS)
          throw new NoSessionError((error as Error).message);
        await sleep(pause);
      }
    }
  }

  #exec(command: string): Promise<ClientChannel> {
    return this.#open<ClientChannel>("starting a command", (done) =>
      // exec throws synchronously once the connection has ended; callback() turns that into a rejection.
      this.#client.exec(command, (error, stream) => {
        if (stream) {
          noteExit(stream);
          stream.once("close", () => this.#gone.add(stream));
        }
        done(error, stream);
      }),
    ).catch((cause) => {
      if (cause instanceof TransportLostError) throw cause;
      const reason = sanitise((cause as Error).message);
      throw new AgentStartError(
        `${this.#address} refused to run a command: ${reason}`,
        "Allow this login to run commands in the device's sshd_config",
        { cause },
      );
    });
  }

  async #openFiles(): Promise<SshFiles> {
    if (this.#sftp === undefined) {
      const sftp = await this.#open<SFTPWrapper>("opening SFTP", (done) => this.#client.sftp(done)).catch(
        (cause) => {
          if (cause instanceof TransportLostError) throw cause;
          if (cause instanceof NoSessionError && this.#channels.size > 0) throw cause;
          throw this.#noSftp(cause as Error);
        },
      );
      sftp.once("close", () => {
        if (this.#sftp === sftp) this.#sftp = undefined;
      });
      sftp.on("error", () => {});
      this.#sftp = sftp;
    }
    const waste = this.#connection!.waste;
    return new SshFiles(this.#sftp, this.#address, this.#steps.run, this.#wanted, (bytes) =>
      waste.wanted(bytes),
    );
  }

  #noSftp(cause: Error): UploadError {
    if (!this.identity.noisy)
      return new UploadError(
        `${this.#address} offers no SFTP`,
        "Enable the sftp subsystem in its sshd_config",
        {
          cause,
        },
      );
    return new UploadError(
      `the shell's start-up files on ${this.#address} print text, which breaks its SFTP`,
      "Let the device's ~/.bashrc and ~/.profile print in interactive shells only, or set `Subsystem sftp internal-sftp` in its sshd_config",
      { cause },
    );
  }

  async upload(
    localPath: string,
    name: RemoteName,
    sha256: string,
    options: UploadOptions = {},
  ): Promise<string> {
    const files = await this.#openFiles();
    const { size } = await stat(localPath);
    const { uploadMs, uploadBytesPerSecond } = this.#timeouts;
    return this.#steps.within(
      `sending ${name}`,
      uploadMs + (size / uploadBytesPerSecond) * 1000,
      files.upload(localPath, name, sha256, options).catch((error: unknown) => {
        // A program that the shell starts may corrupt any packet, not only the first.
        throw this.identity.noisy && error instanceof UploadError && this.#sftp === undefined
          ? this.#noSftp(error)
          : error;
      }),
    );
  }

  async serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel> {
    const sftp = this.#sftp;
    if (sftp !== undefined) this.#closing(sftp as unknown as ClientChannel, () => sftp.end());
    this.#sftp = undefined;
    const stream = await this.#exec(serveCommand(binary.sha256, this.options));
    const channel = new SshChannel(
      stream,
      handlers,
      () => this.#steps.lost,
      () => this.#connection!.destroy(),
      (gone) => this.#channels.delete(gone),
      this.#connection!.waste,
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
