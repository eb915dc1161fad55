// The channel that an agent talks over: lines in and out, and what its end means, whoever ended it.
import type { ClientChannel } from "ssh2";
import type { TransportLostError } from "./device-errors.ts";
import { LineSplitter, StderrTail } from "./line-splitter.ts";
import type { WasteMeter } from "./meter.ts";
import type { AgentChannel, ChannelHandlers } from "./transport.ts";

const exits = new WeakMap<ClientChannel, { readonly code: number | null; readonly signal: string | null }>();

/** To be called as soon as the stream is there: what ends at once may have said how before anybody who waited for the stream looks. */
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
      // The session counts what comes as lines; stderr, and packets of a byte each, count against the connection.
      waste.wanted(chunk.length);
      if (flooded || lines.push(chunk)) return;
      flooded = true;
      this.kill();
    });
    // Shares its window with stdout: unread, it would stall both.
    stream.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    stream.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      // Not "exit", which may never come. A close without an exit status means that the transport died.
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

  /** The far side may be hung: only cutting the connection is sure to end its stdin. */
  kill(): void {
    if (!this.#over) this.destroyTransport();
  }
}
