// Exclusive use of a host, which must not be measured while it trains or compiles. Within this process, work
// takes turns in order of arrival; machine-lock.ts orders processes. A turn that waits for the device to come
// to rest lets other processes in meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { type Holder, lockMachine, type Release } from "./machine-lock.ts";

/** First come, first served, with one holder for each key. */
class Turnstile {
  private readonly tails = new Map<string, Promise<void>>();

  async enter(key: string, signal: AbortSignal): Promise<Release> {
    const before = this.tails.get(key) ?? Promise.resolve();
    let release!: Release;
    const mine = new Promise<void>((resolve) => {
      release = resolve;
    });
    const tail = before.then(() => mine);
    this.tails.set(key, tail);
    await before;
    if (signal.aborted) {
      release();
      signal.throwIfAborted();
    }
    return release;
  }
}

/** Exclusive use of a host. */
export interface HostUse {
  /**
   * Lets other processes use the host for this long, then waits for it again. Other work of this process
   * continues to wait.
   */
  pause(ms: number): Promise<void>;
  release(): void;
}

/** Interval before the same message is repeated. */
export const SAY_EVERY_MS = 5 * 60_000;

/**
 * Grants exclusive use of hosts. `local` is this machine, which is also locked against other edgefront
 * processes.
 */
export class HostLock {
  private readonly turnstile = new Turnstile();
  private toldAt = Number.NEGATIVE_INFINITY;

  /**
   * Waits for a host. `onWait` is called when another process uses this machine, at most once in a while.
   * Rejects when the signal aborts.
   */
  async acquire(
    host: string,
    signal: AbortSignal,
    onWait: (holder: Holder) => void = () => {},
  ): Promise<HostUse> {
    const leave = await this.turnstile.enter(host, signal);
    const told = (holder: Holder): void => {
      if (performance.now() - this.toldAt < SAY_EVERY_MS) return;
      this.toldAt = performance.now();
      onWait(holder);
    };
    const lock = (): Promise<Release> =>
      host === "local" ? lockMachine(signal, told) : Promise.resolve(() => {});
    try {
      let unlock: Release | null = await lock();
      return {
        async pause(ms) {
          unlock?.();
          unlock = null;
          await sleep(ms, undefined, { signal });
          unlock = await lock();
        },
        release() {
          unlock?.();
          unlock = null;
          leave();
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
