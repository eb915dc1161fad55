// The readers of bench:ui, in a separate process, so that their processor time is not the server's. IPC
// messages start and stop them. Received data is parsed only after the sweep has ended, so that parsing costs
// the sweep nothing.
import { request } from "node:http";

/** Message from the benchmark. */
export type Order = { readonly follow: string; readonly readers: number } | { readonly stop: true };
/** Message to the benchmark. */
export type Report =
  | { readonly following: true }
  | {
      /** By reader: when it knew of how many finished trials, in milliseconds since 1970. */
      readonly seen: readonly (readonly { readonly at: number; readonly finished: number }[])[];
      readonly events: number;
      readonly bytes: number;
      readonly cpuMs: number;
    };

interface Arrived {
  readonly at: number;
  readonly text: Buffer;
}

/** Follows like a page: receives changes, and fetches the state after a missed one. */
function follow(base: string, ready: () => void): { readonly arrived: Arrived[]; readonly stop: () => void } {
  const arrived: Arrived[] = [];
  let first = true;
  const events = request(`${base}/events?revision=0`, { agent: false }, (response) => {
    response.on("data", (text: Buffer) => {
      arrived.push({ at: Date.now(), text });
      if (!text.includes("event: behind")) return;
      request(`${base}/state`, { agent: false }, (state) => {
        state.on("data", () => {});
        state.on("end", () => {
          if (first) ready();
          first = false;
        });
      }).end();
    });
  });
  events.on("error", () => {});
  events.end();
  return { arrived, stop: () => events.destroy() };
}

/** `changed` events in the received data, with the number of finished trials in each. */
function read(arrived: readonly Arrived[]): { at: number; finished: number }[] {
  let text = "";
  return arrived.flatMap(({ at, text: chunk }) => {
    text += chunk.toString();
    const parts = text.split("\n\n");
    text = parts.pop()!;
    return parts.flatMap((part) => {
      const finished = /"status":"\w+: (\d+) of/.exec(part)?.[1];
      return finished === undefined ? [] : [{ at, finished: Number(finished) }];
    });
  });
}

export function serveReaders(): void {
  let following: ReturnType<typeof follow>[] = [];
  let began = process.cpuUsage();
  process.on("message", (order: Order) => {
    if ("follow" in order) {
      let waiting = order.readers;
      following = Array.from({ length: order.readers }, () =>
        follow(order.follow, () => {
          if (--waiting > 0) return;
          began = process.cpuUsage();
          process.send!({ following: true } satisfies Report);
        }),
      );
      return;
    }
    const { user, system } = process.cpuUsage(began);
    for (const { stop } of following) stop();
    const seen = following.map(({ arrived }) => read(arrived));
    process.send!({
      seen,
      events: seen.reduce((sum, one) => sum + one.length, 0),
      bytes: following.flatMap(({ arrived }) => arrived).reduce((sum, { text }) => sum + text.length, 0),
      cpuMs: (user + system) / 1000,
    } satisfies Report);
    following = [];
  });
}
