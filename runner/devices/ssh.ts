// A device behind sshd: one connection, ssh-files.ts for files, ssh-channel.ts for the agent. Whatever the transport does (dies silently,
// refuses, changes its key) becomes an error class; nothing waits without a deadline. Connecting is ssh-connect.ts's business.
import type { ClientChannel, SFTPWrapper } from "ssh2";
import { sanitise } from "../../profilers/protocol.ts";
import { AgentStartError, TransportLostError, UploadError } from "../agent/errors.ts";
import type { Emulator } from "./device.ts";
import { noteExit, SshChannel } from "./ssh-channel.ts";
import { addressOf, CONNECT, Connection, type Endpoint } from "./ssh-connect.ts";
import { FOLDER, SshFiles } from "./ssh-files.ts";
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
  readonly #steps: Steps;
  readonly #channels = new Set<SshChannel>();
  #connection: Connection | undefined;
  #files: SshFiles | undefined;
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
    return this.#steps.run("a first command", () => {
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
    return this.#steps
      .run("starting a command", () =>
        // exec throws synchronously once the connection has ended; callback() turns that into a rejection.
        callback<ClientChannel>((done) =>
          this.#client.exec(command, (error, stream) => {
            if (stream) noteExit(stream);
            done(error, stream);
          }),
        ),
      )
      .catch((cause) => {
        if (cause instanceof TransportLostError) throw cause;
        const reason = sanitise((cause as Error).message);
        throw new AgentStartError(
          `${this.#address} refused to run a command: ${reason}`,
          "Its sshd must allow this login to run commands",
          { cause },
        );
      });
  }

  async #openFiles(): Promise<SshFiles> {
    if (this.#files !== undefined) return this.#files;
    const sftp = await this.#steps
      .run("opening SFTP", () => callback<SFTPWrapper>((done) => this.#client.sftp(done)))
      .catch((cause) => {
        if (cause instanceof TransportLostError) throw cause;
        throw new UploadError(`${this.#address} offers no SFTP`, "Enable the sftp subsystem of its sshd", {
          cause,
        });
      });
    this.#files = new SshFiles(sftp, this.#address, this.#steps.run);
    return this.#files;
  }

  async upload(
    localPath: string,
    name: RemoteName,
    sha256: string,
    options: UploadOptions = {},
  ): Promise<string> {
    const files = await this.#openFiles();
    return files.upload(localPath, name, sha256, options);
  }

  async serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel> {
    const stream = await this.#exec(serveCommand(binary.sha256, this.options));
    const channel = new SshChannel(
      stream,
      handlers,
      () => this.#steps.lost,
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
