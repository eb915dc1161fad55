// The coordinator's own machine: the agent is a child process, and files need no upload.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { helperEnvironment } from "../base/helper-environment.ts";
import { AgentStartError, UploadError } from "./device-errors.ts";
import type { Emulator } from "./device-record.ts";
import { LineSplitter, StderrTail } from "./line-splitter.ts";
import type { AgentBinary, AgentChannel, ChannelHandlers, RemoteName, Transport } from "./transport.ts";

function agentEnvironment(emulator: Emulator | undefined): Record<string, string> {
  const { EDGEFRONT_HOST_LOCK: lock } = process.env;
  return {
    PATH: helperEnvironment().PATH ?? "",
    ...(emulator ? { EDGEFRONT_EMULATOR: emulator } : {}),
    // A process with its own machine lock (EDGEFRONT_HOST_LOCK) gets its own device lock too.
    ...(lock ? { EDGEFRONT_HOST_LOCK: lock } : {}),
  };
}

export class LocalTransport implements Transport {
  readonly kind = "local";
  readonly confined = false;
  readonly #channels = new Set<LocalChannel>();
  constructor(private readonly options: { readonly emulator?: Emulator | undefined } = {}) {}

  async open(): Promise<void> {}

  async upload(localPath: string, _name: RemoteName, sha256: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(localPath)) hash.update(chunk as Buffer);
    if (hash.digest("hex") !== sha256) throw new UploadError(`${localPath} changed after it was hashed`);
    return localPath;
  }

  async serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel> {
    const { emulator } = this.options;
    const [program, args] = emulator ? [emulator, [binary.path, "serve"]] : [binary.path, ["serve"]];
    const child = spawn(program, args, {
      stdio: "pipe",
      // A separate process group: this process handles Ctrl-C at the terminal, which is no fault of the
      // device.
      detached: true,
      env: agentEnvironment(emulator),
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) =>
        reject(new AgentStartError(`${program} could not be started: ${cause.message}`, "", { cause })),
      );
    });
    const channel = new LocalChannel(child, handlers, () => this.#channels.delete(channel));
    this.#channels.add(channel);
    return channel;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => channel.close()));
  }
}

class LocalChannel implements AgentChannel {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;

  constructor(child: ChildProcessWithoutNullStreams, handlers: ChannelHandlers, onGone: () => void) {
    this.#child = child;
    const stderr = new StderrTail();
    const lines = new LineSplitter((line) => handlers.onLine(line));
    let flooded = false;
    child.stdout.on("data", (chunk: Buffer) => {
      if (flooded || lines.push(chunk)) return;
      flooded = true;
      child.kill("SIGKILL");
    });
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    // Ignores the error of a write to an ended agent; the following "close" event reports it.
    child.stdin.on("error", () => {});
    child.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        handlers.onEnd(
          flooded
            ? { kind: "flooded", reason: "an answer line was longer than the protocol allows" }
            : { kind: "exited", code, signal, stderr: stderr.text() },
        );
        onGone();
        resolve();
      });
    });
  }

  send(line: string): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${line}\n`);
  }

  async close(graceMs = 2000): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
