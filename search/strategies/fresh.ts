// Candidates never proposed before: random draws while they succeed. In a space small enough to enumerate,
// the remaining candidates follow.
import type { Rng } from "../../candidates/space.ts";
import type { Domain } from "../domain.ts";
import type { Origin, Proposal } from "../strategy.ts";

/** Failed draws after which a space is assumed nearly exhausted. */
const DRAWS = 200;
const drawn: Origin = { kind: "random", parents: [], operator: null };

/**
 * Largest space that is enumerated for its last candidates. In a larger space, the search gives up after
 * DRAWS x 50 draws.
 */
const WALKABLE = 2_000_000;

/**
 * The set of candidates already proposed (or told), and the way to new ones. It has no state beyond that set.
 */
export class Fresh<C> {
  readonly seen = new Set<string>();
  private readonly domain: Domain<C>;
  private readonly seed: number;
  private remainder: C[] | null = null;

  constructor(domain: Domain<C>, seed: number) {
    this.domain = domain;
    this.seed = seed;
  }

  /** Records a candidate as proposed. Returns false if it already was. */
  claim(candidate: C): boolean {
    const id = this.domain.id(candidate);
    if (this.seen.has(id)) return false;
    this.seen.add(id);
    return true;
  }

  has(candidate: C): boolean {
    return this.seen.has(this.domain.id(candidate));
  }

  /** Returns a new random candidate, claimed; null when the space is exhausted. */
  next(rng: Rng): Proposal<C> | null {
    const walkable = this.domain.size() <= WALKABLE;
    if (this.remainder === null) {
      for (let n = 0; n < (walkable ? DRAWS : DRAWS * 50); n++) {
        const candidate = this.domain.sample(rng);
        if (candidate !== null && this.claim(candidate)) return { candidate, origin: drawn };
      }
      if (!walkable) return null;
    }
    const candidate = this.nextOfRemainder();
    return candidate === null ? null : { candidate, origin: drawn };
  }

  /**
   * The order depends on the seed and the candidates alone, so that a restored search walks in the same
   * order.
   */
  private nextOfRemainder(): C | null {
    if (this.remainder === null) {
      const left = new Map<string, C>();
      for (const candidate of this.domain.enumerate()) {
        const id = this.domain.id(candidate);
        if (!this.seen.has(id)) left.set(id, candidate);
      }
      const keyed = [...left].map(([id, candidate]) => ({ key: mix(id, this.seed), id, candidate }));
      keyed.sort((a, b) => b.key - a.key || (a.id < b.id ? 1 : -1));
      this.remainder = keyed.map(({ candidate }) => candidate);
    }
    for (let candidate = this.remainder.pop(); candidate !== undefined; candidate = this.remainder.pop()) {
      if (this.claim(candidate)) return candidate;
    }
    return null;
  }
}

/** FNV-1a hash of the text, started from the seed. */
function mix(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let n = 0; n < text.length; n++) hash = Math.imul(hash ^ text.charCodeAt(n), 0x01000193) >>> 0;
  return hash;
}
