// Notices changes of a sweep by any process: SQLite's data version shows writes, the owner's liveness shows a
// killed run, which writes nothing. Reads only.
import type { Store } from "../store/store.ts";

const POLL_MS = 150;
/** The owners are read at every tenth poll, so a dead owner is noticed with this delay. */
const STATUS_EVERY = 10;

export class Watch {
  private readonly listeners = new Set<(revision: number) => void>();
  private timer: NodeJS.Timeout | null = null;
  private seen: number;
  private owners = "";
  private polls = 0;
  /** Grows with every change, also across restarts of the server. */
  private current = Date.now();

  constructor(private readonly store: Store) {
    this.seen = store.history.revision();
  }

  get revision(): number {
    return this.current;
  }

  /** Calls back after every change until the returned function is called. */
  listen(changed: (revision: number) => void): () => void {
    this.listeners.add(changed);
    this.timer ??= setInterval(() => this.poll(), POLL_MS);
    return () => {
      this.listeners.delete(changed);
      if (this.listeners.size === 0) this.stop();
    };
  }

  /** Checks for changes now, so that a page about to be made has the newest revision. */
  poll(): void {
    const version = this.store.history.revision();
    const owners = this.polls++ % STATUS_EVERY === 0 ? this.store.sweeps.owners() : this.owners;
    if (version === this.seen && owners === this.owners) return;
    [this.seen, this.owners] = [version, owners];
    this.touch();
  }

  /** Reports a change although the database is unchanged. */
  touch(): void {
    this.current = Math.max(this.current + 1, Date.now());
    for (const changed of this.listeners) changed(this.current);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }
}
