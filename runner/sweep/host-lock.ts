// A host is never measured while it trains or compiles. Work on a host takes turns: in this process first come, first
// served; between processes through an SQLite lock file, which the operating system frees when its holder dies.
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { cachePath } from "../paths.ts";

export type Release = () => void;

const POLL_MS = 100;

/** First come, first served, one holder a key. */
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

async function lockBetweenProcesses(signal: AbortSignal, onWait: () => void): Promise<Release> {
  mkdirSync(cachePath(), { recursive: true });
  const db = new Database(cachePath("host-lock.db"), { timeout: 0 });
  try {
    for (let tries = 0; ; tries++) {
      try {
        db.exec("BEGIN EXCLUSIVE");
        return () => db.close();
      } catch (error) {
        if (!(error as { code?: string }).code?.startsWith("SQLITE_BUSY")) throw error;
        if (tries === 1) onWait();
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Exclusive use of hosts. `local` stands for this machine and is locked against other edgefront processes too. */
export class HostLock {
  private readonly turnstile = new Turnstile();
  private told = false;

  /** `onWait` is called the first time that another process holds this machine. Rejects when the signal aborts. */
  async acquire(host: string, signal: AbortSignal, onWait: () => void = () => {}): Promise<Release> {
    const leave = await this.turnstile.enter(host, signal);
    if (host !== "local") return leave;
    try {
      const unlock = await lockBetweenProcesses(signal, () => {
        if (!this.told) onWait();
        this.told = true;
      });
      return () => {
        unlock();
        leave();
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
