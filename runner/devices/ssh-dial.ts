// Opens a TCP connection to a name with several addresses. Attempts start one after the other, all continue,
// and the first answer wins (RFC 8305). Node's own algorithm drops an address after 250 ms, too soon for a
// satellite link.
import { lookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";

/** Delay between the starts of two attempts. */
const STAGGER_MS = 250;
const MAX_ADDRESSES = 16;

/**
 * Connects to a host. Rejects with the first address's error when all have failed, or with ETIMEDOUT after
 * `timeoutMs`.
 */
export async function dial(
  host: string,
  port: number,
  timeoutMs: number,
  resolveName = addressesOf,
): Promise<Socket> {
  const begun = performance.now();
  const timedOut = (): Error =>
    Object.assign(new Error(`connect ETIMEDOUT ${host}:${port}`), { code: "ETIMEDOUT" });
  const addresses = await within(resolveName(host), timeoutMs, timedOut);
  const left = timeoutMs - (performance.now() - begun);
  return new Promise((resolve, reject) => {
    const open = new Set<Socket>();
    const waiting = [...addresses];
    let failure: Error | undefined;
    let pause: NodeJS.Timeout | undefined;
    const end = (socket: Socket | undefined, error?: Error): void => {
      clearTimeout(pause);
      clearTimeout(limit);
      for (const other of open) if (other !== socket) other.destroy();
      if (socket === undefined) reject(error);
      else resolve(socket);
    };
    const limit = setTimeout(() => end(undefined, failure ?? timedOut()), Math.max(left, 1));
    const attempt = (): void => {
      clearTimeout(pause);
      const address = waiting.shift();
      if (address === undefined) return;
      const socket = connect({ host: address, port });
      open.add(socket);
      const failed = (error: Error): void => {
        failure ??= error;
        open.delete(socket);
        if (waiting.length > 0) attempt();
        else if (open.size === 0) end(undefined, failure);
      };
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.off("error", failed);
        // No error may go unhandled until ssh2 listens, which learns of earlier errors by "close".
        socket.on("error", () => {});
        end(socket);
      });
      if (waiting.length > 0) pause = setTimeout(attempt, STAGGER_MS);
    };
    attempt();
  });
}

/** Returns addresses of both families in turn, each in the system's order. */
async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host.replace(/%.*$/, ""))) return [host];
  const found = await lookup(host, { all: true, verbatim: true });
  const first = found[0]?.family;
  const [same, other] = [
    found.filter(({ family }) => family === first),
    found.filter(({ family }) => family !== first),
  ];
  const turns = Array.from({ length: Math.max(same.length, other.length) }, (_, i) => [same[i], other[i]]);
  return turns
    .flat()
    .flatMap((entry) => entry?.address ?? [])
    .slice(0, MAX_ADDRESSES);
}

async function within<T>(work: Promise<T>, ms: number, expired: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(expired()), ms);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
