// This coordinator's leases on hosts. A lease is taken when a device is first needed and renewed while jobs
// follow each other. It is passed on when another coordinator of the same database requests it. Waiting is
// measured by the monotonic clock, so setting the wall clock changes nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { RunnerError } from "../devices/device-errors.ts";
import { type Lease, type LeaseProof, LeaseTable } from "../store/lease-table.ts";
import { isBusy } from "../store/open.ts";

/**
 * Thrown when the device was granted to another coordinator meanwhile. The result of the job here must not be
 * stored.
 */
export class LeaseLostError extends RunnerError {
  readonly code = "lease-lost";
  readonly blame = "nobody";
}

export interface LeaseTiming {
  /** Silence after which a holder that is not known to be dead loses its lease. */
  readonly ttlMs: number;
  readonly renewMs: number;
  readonly pollMs: number;
  /** How long an unused lease is kept for the next job, and the time to write a result. */
  readonly idleMs: number;
}
export const LEASE_TIMING: LeaseTiming = { ttlMs: 30_000, renewMs: 5000, pollMs: 100, idleMs: 100 };

/** The use of a device by one job. */
export interface Hold {
  readonly proof: LeaseProof;
  /** Aborts with LeaseLostError when another coordinator was granted the device. */
  readonly lost: AbortSignal;
  release(): void;
}

interface Held {
  readonly proof: LeaseProof;
  readonly lost: AbortController;
  readonly released: Promise<void>;
  readonly settle: () => void;
  uses: number;
  idle: NodeJS.Timeout | undefined;
}

export class DeviceLeases {
  private readonly held = new Map<string, Held>();
  private readonly asking = new Map<string, Promise<Held>>();
  private readonly timing: LeaseTiming;
  private renewing: NodeJS.Timeout | undefined;

  constructor(
    private readonly table: LeaseTable,
    timing: Partial<LeaseTiming> = {},
  ) {
    this.timing = { ...LEASE_TIMING, ...timing };
  }

  /**
   * Waits until this coordinator holds the device. Calls `onWait` while another one holds it, once for each
   * attempt to take the lease.
   */
  async hold(device: string, signal: AbortSignal, onWait: () => void = () => {}): Promise<Hold> {
    for (;;) {
      signal.throwIfAborted();
      const mine = this.held.get(device);
      const lease = mine && this.table.find(device);
      if (mine !== undefined && (lease?.holder !== this.table.self || lease.token !== mine.proof.token)) {
        this.lose(mine);
        continue;
      }
      if (mine !== undefined && lease?.wanted === null) return this.use(mine);
      if (mine !== undefined) {
        // Another coordinator is next: it gets the device when the running jobs here end.
        await mine.released;
        continue;
      }
      const ask = this.asking.get(device) ?? this.acquire(device, signal, onWait);
      this.asking.set(device, ask);
      try {
        return this.use(await ask);
      } finally {
        this.asking.delete(device);
      }
    }
  }

  private use(held: Held): Hold {
    clearTimeout(held.idle);
    held.uses++;
    let over = false;
    return {
      proof: held.proof,
      lost: held.lost.signal,
      release: () => {
        if (over) return;
        over = true;
        if (--held.uses > 0) return;
        this.dropLater(held);
      },
    };
  }

  private async acquire(device: string, signal: AbortSignal, onWait: () => void): Promise<Held> {
    let seen: Lease | null = null;
    let since = performance.now();
    for (let told = false; ; ) {
      const free = this.table.take(device);
      if (free !== null) return this.keep({ device, token: free });
      const lease = this.table.find(device)!;
      const still = seen !== null && sameLease(seen, lease);
      if (!still) {
        seen = lease;
        since = performance.now();
      }
      if (LeaseTable.abandoned(lease) || performance.now() - since > this.timing.ttlMs) {
        const token = this.table.seize(lease);
        if (token !== null) return this.keep({ device, token });
      }
      if (!told) onWait();
      told = true;
      this.table.want(device);
      try {
        await sleep(this.timing.pollMs, undefined, { signal });
      } catch (error) {
        this.table.forgo(device);
        throw error;
      }
    }
  }

  private keep(proof: LeaseProof): Held {
    let settle!: () => void;
    const released = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const held: Held = {
      proof,
      lost: new AbortController(),
      released,
      settle,
      uses: 0,
      idle: undefined,
    };
    this.held.set(proof.device, held);
    this.renewing ??= setInterval(() => this.renew(), this.timing.renewMs).unref();
    return held;
  }

  private renew(): void {
    // A renewal is skipped while another process keeps the database busy: waiting coordinators tolerate
    // several missed ones.
    const renewed = unlessBusy(() => this.table.renew());
    if (renewed === null) return;
    const still = new Map(renewed.map(({ device, token }) => [device, token]));
    for (const held of this.held.values())
      if (still.get(held.proof.device) !== held.proof.token) this.lose(held);
  }

  private lose(held: Held): void {
    this.forget(held);
    held.lost.abort(
      new LeaseLostError(`another coordinator was granted ${held.proof.device}; its job here does not count`),
    );
  }

  /** Gives a lease back after an idle time, and retries while the database is busy. */
  private dropLater(held: Held): void {
    held.idle = setTimeout(() => {
      const dropped = unlessBusy(() => {
        this.drop(held);
        return true;
      });
      if (dropped === null) this.dropLater(held);
    }, this.timing.idleMs);
  }

  private drop(held: Held): void {
    if (this.held.get(held.proof.device) !== held) return;
    this.table.release(held.proof);
    this.forget(held);
  }

  private forget(held: Held): void {
    clearTimeout(held.idle);
    this.held.delete(held.proof.device);
    held.settle();
    if (this.held.size > 0) return;
    clearInterval(this.renewing);
    this.renewing = undefined;
  }

  /** Gives all leases back. */
  close(): void {
    for (const held of [...this.held.values()]) this.drop(held);
  }
}

/** Returns null while another process keeps the database locked. */
function unlessBusy<T>(write: () => T): T | null {
  try {
    return write();
  } catch (error) {
    if (isBusy(error)) return null;
    throw error;
  }
}

const sameLease = (a: Lease, b: Lease): boolean =>
  a.token === b.token && a.beats === b.beats && a.holder === b.holder && a.wanted === b.wanted;
