// Comparisons of two sweeps as last made: one takes seconds for large sweeps, and whoever reloads the page should not pay it again.
import { performance } from "node:perf_hooks";

/** Comparisons kept. */
const KEPT = 16;
/** One is made anew this many times its cost later at the earliest, while its sweeps change: a twentieth of one core at most. */
const PAUSE_FACTOR = 19;

interface Made {
  readonly page: string;
  readonly revision: number;
  readonly goodUntil: number;
}

export class Comparisons {
  private readonly made = new Map<string, Made>();

  constructor(
    /** Changes with the database. */
    private readonly revision: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The page of this name: as last made where the database is the same, or was asked again too soon. */
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
