// Two-point crossover of layouts over their genomes, as in STAR (arXiv 2411.17800). Space.realize completes
// the child.
import type { Genome } from "../../candidates/genome.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Rng, Space } from "../../candidates/space.ts";
import type { Varied } from "../domain.ts";

/**
 * The first genome with one run of layers from the second. Runs have the same relative place, so that parents
 * of different depths mix too. The child has the depth and the sharing of the first. Width, FFN and norms come
 * from either parent.
 */
function cross(a: Genome, b: Genome, rng: Rng): Genome {
  const depth = a.mixers.length;
  const start = rng.below(depth);
  const end = start + 1 + rng.below(depth - start);
  const scale = b.mixers.length / depth;
  const mixers = a.mixers.map((mixer, layer) =>
    layer >= start && layer < end ? b.mixers[Math.floor((layer + 0.5) * scale)]! : mixer,
  );
  const width = rng.below(2) === 0 ? a.width : b.width;
  const ffn = rng.below(2) === 0 ? a.ffn : b.ffn;
  const norms = a.norms === b.norms || rng.below(2) === 0 ? a.norms : b.norms;
  const { sharing } = a;
  return {
    width,
    mixers,
    ...(ffn !== undefined && { ffn }),
    ...(norms && { norms }),
    ...(sharing && { sharing }),
  };
}

/**
 * Returns a child layout of the space. Null when several draws gave none: parents of different geometries
 * seldom mix.
 */
export function crossover(space: Space, a: Layout, b: Layout, rng: Rng): Varied<Layout> | null {
  const [first, second] = [space.genomeOf(a), space.genomeOf(b)];
  for (let n = 0; n < 4; n++) {
    const realized = space.realize(cross(first, second, rng));
    if (realized.ok) return { candidate: realized.layout, operator: "two-point crossover" };
  }
  return null;
}
