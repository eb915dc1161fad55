// The channel to an agent: lines in and out, and the meaning of its end.
import type { ClientChannel } from "ssh2";
import type { TransportLostError } from "./device-errors.ts";
import { LineSplitter, StderrTail } from "./line-splitter.ts";
import type { WasteMeter } from "./meter.ts";
import type { AgentChannel, ChannelHandlers } from "./transport.ts";

const exits = new WeakMap<ClientChannel, { readonly code: number | null; readonly signal: string | null }>();

/**
 * Records the exit status of a stream. Call it as soon as the stream exists: a process that ends at once may
 * send its status before the stream's user listens.
 */
export function noteExit(stream: ClientChannel): void {
  stream.once("exit", (code: number | null, signal?: string) =>
    exits.set(stream, { code, signal: signal ?? null }),
  );
}

export class SshChannel implements AgentChannel {
  readonly #ended: Promise<void>;
  #over = false;

  constructor(
    private readonly stream: ClientChannel,
    handlers: ChannelHandlers,
    lost: () => TransportLostError | undefined,
    private readonly destroyTransport: () => void,
    onGone: (channel: SshChannel) => void,
    waste: WasteMeter,
  ) {
    const stderr = new StderrTail();
    const lines = new LineSplitter((line) => handlers.onLine(line));
    let flooded = false;
    stream.on("data", (chunk: Buffer) => {
      // The session counts lines; stderr and packets of one byte count against the connection.
      waste.wanted(chunk.length);
      if (flooded || lines.push(chunk)) return;
      flooded = true;
      this.kill();
    });
    // stderr shares its flow-control window with stdout; if unread, it would stall both.
    stream.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    stream.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      // "exit" may never come. A close without an exit status means that the transport died.
      stream.once("close", () => {
        this.#over = true;
        const error = lost();
        const exit = exits.get(stream);
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

  /** Cuts the connection: if the far side hangs, no milder way is certain to end its stdin. */
  kill(): void {
    if (!this.#over) this.destroyTransport();
  }
}
