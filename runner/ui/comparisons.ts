// Caches comparisons of two sweeps: one takes seconds for large sweeps, and a reload should not compute it
// again.
import { performance } from "node:perf_hooks";

/** Number of cached comparisons. */
const KEPT = 16;
/**
 * A comparison of changing sweeps is reused for this multiple of its cost, so that it takes at most a
 * twentieth of one core.
 */
const PAUSE_FACTOR = 19;

interface Made {
  readonly page: string;
  readonly revision: number;
  readonly goodUntil: number;
}

export class Comparisons {
  private readonly made = new Map<string, Made>();

  constructor(
    /** Returns a number that changes with the database. */
    private readonly revision: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Returns the cached page if the database is unchanged or the request comes too soon, else makes it. */
  get(name: string, make: () => string): string {
    const known = this.made.get(name);
    const revision = this.revision();
    if (known !== undefined && (known.revision === revision || this.now() < known.goodUntil))
      return known.page;
    const began = this.now();
    const page = make();
    const ended = this.now();
    this.made.delete(name);
    this.made.set(name, { page, revision, goodUntil: ended + PAUSE_FACTOR * (ended - began) });
    const [oldest] = this.made.keys();
    if (this.made.size > KEPT) this.made.delete(oldest!);
    return page;
  }
}
