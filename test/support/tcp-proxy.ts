// A TCP proxy on loopback that can go silent or cut its connections, at once or after a number of bytes:
// network faults on demand.
import { connect, createServer, type Socket } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** Number of bytes passed from the client so far. */
  readonly sent: number;
  /** Stops all data in both directions without closing a connection, as if a cable were pulled. */
  freeze(): void;
  /** New connections pass again; the old ones stay dead. */
  thaw(): void;
  /** Cuts every connection with a reset. */
  reset(): void;
  /** Freezes or resets after this many bytes from the client. */
  after(bytes: number, what: "freeze" | "reset"): void;
  close(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let sent = 0;
  let trigger: { bytes: number; what: "freeze" | "reset" } | undefined;
  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const server = createServer((client) => {
    const upstream = connect(targetPort, "127.0.0.1");
    const pass = (from: Socket, to: Socket, counts: boolean) => {
      sockets.add(from);
      from.on("error", () => {});
      from.on("data", (chunk: Buffer) => {
        if (counts) sent += chunk.length;
        if (trigger && sent >= trigger.bytes) {
          if (trigger.what === "freeze") frozen = true;
          else reset();
          trigger = undefined;
        }
        if (!frozen) to.write(chunk);
      });
      from.on("close", () => {
        sockets.delete(from);
        if (!frozen) to.end();
      });
    };
    pass(client, upstream, true);
    pass(upstream, client, false);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    get sent() {
      return sent;
    },
    freeze: () => {
      frozen = true;
    },
    thaw: () => {
      frozen = false;
      reset();
    },
    reset,
    after: (bytes, what) => {
      sent = 0;
      trigger = { bytes, what };
    },
    close: () => {
      reset();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
