// The interface between strategies and candidates of any type. `layoutDomain` implements it for layouts;
// benchmarks implement it for test problems.
import { type Layout, layoutId } from "../candidates/layout.ts";
import type { Rng, Space } from "../candidates/space.ts";
import { type Featurizer, layoutFeatures } from "./features.ts";
import { crossover } from "./operators/crossover.ts";
import { mutate } from "./operators/mutate.ts";

/** A candidate made from others, and the operator that made it. */
export interface Varied<C> {
  readonly candidate: C;
  readonly operator: string;
}

/**
 * The knowledge that strategies need about candidates. Draws may return null: a constraint refused the draw,
 * and the caller draws again. Candidates are JSON-serialisable.
 */
export interface Domain<C> extends Featurizer<C> {
  /** Returns the canonical id: equal candidates have equal ids. */
  id(candidate: C): string;
  sample(rng: Rng): C | null;
  /** Returns a neighbour of a candidate, different from the candidate itself. */
  mutate(candidate: C, rng: Rng): Varied<C> | null;
  /** Returns a child with parts of both parents. */
  crossover(a: C, b: C, rng: Rng): Varied<C> | null;
  /** Returns an upper bound of the number of candidates. */
  size(): number;
  /** Yields every candidate in a fixed order. Some may repeat. */
  enumerate(): Iterable<C>;
}

/** Returns the domain of the layouts of a space. */
export function layoutDomain(space: Space): Domain<Layout> {
  // Cached, because hashing a layout costs more than varying it, and each candidate's id is used several
  // times.
  const ids = new WeakMap<Layout, string>();
  const id = (layout: Layout): string => {
    const known = ids.get(layout) ?? layoutId(layout);
    ids.set(layout, known);
    return known;
  };
  return {
    id,
    ...layoutFeatures(space),
    sample: (rng) => {
      const realized = space.realize(space.sampleGenome(rng));
      return realized.ok ? realized.layout : null;
    },
    mutate: (layout, rng) => mutate(space, layout, rng),
    crossover: (a, b, rng) => crossover(space, a, b, rng),
    size: () => space.size(),
    enumerate: () => space.enumerate(),
  };
}
