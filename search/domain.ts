// What strategies draw from and vary, whatever a candidate is. `layoutDomain` is the product's; benchmarks bring test problems.
import { type Layout, layoutId } from "../candidates/layout.ts";
import type { Rng, Space } from "../candidates/space.ts";
import { type Featurizer, layoutFeatures } from "./features.ts";
import { crossover } from "./operators/crossover.ts";
import { mutate } from "./operators/mutate.ts";

/** A candidate made from others, and by what. */
export interface Varied<C> {
  readonly candidate: C;
  readonly operator: string;
}

/** What strategies need to know of candidates. Draws may fail (null): a constraint refused them, and the caller draws again. Candidates are JSON-serialisable. */
export interface Domain<C> extends Featurizer<C> {
  /** Canonical: equal candidates, equal ids. */
  id(candidate: C): string;
  sample(rng: Rng): C | null;
  /** A neighbour of a candidate, different from it. */
  mutate(candidate: C, rng: Rng): Varied<C> | null;
  /** A child with parts of both parents. */
  crossover(a: C, b: C, rng: Rng): Varied<C> | null;
  /** An upper bound of the number of candidates. */
  size(): number;
  /** Every candidate in a fixed order; may repeat some. */
  enumerate(): Iterable<C>;
}

export function layoutDomain(space: Space): Domain<Layout> {
  // Hashing a layout costs more than varying it, and every candidate is asked for its id several times.
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
