// Genomes: the part of a layout that a strategy varies. space.ts makes layouts of them.
import type { Layer } from "./layout.ts";
import { type Ffn, type Mixer, traitsOf } from "./ops/operator-registry.ts";
import type { Sharing } from "./sharing.ts";

export interface Genome {
  readonly width: number;
  readonly mixers: readonly Mixer[];
  /** FFN of all layers. Absent where the space solves its width from a parameter budget. */
  readonly ffn?: Ffn;
  /** Norms of all layers, as in a layer. */
  readonly norms?: Layer["norms"];
  /** How the layers are repeated; absent: not. */
  readonly sharing?: Exclude<Sharing, "none">;
}

/** Returns attention apart from other mixers. Both lists keep the given order. */
export function split(mixers: readonly Mixer[]): {
  readonly attends: readonly Mixer[];
  readonly others: readonly Mixer[];
} {
  return {
    attends: mixers.filter((mixer) => traitsOf(mixer).lookup),
    others: mixers.filter((mixer) => !traitsOf(mixer).lookup),
  };
}

/** Returns every attention mixer with every other mixer; undefined stands for a kind that the palette lacks. */
export function pairsOf(palette: readonly Mixer[]) {
  const { attends, others } = split(palette);
  const some = (mixers: readonly Mixer[]) => (mixers.length === 0 ? [undefined] : mixers);
  return some(attends).flatMap((attends) => some(others).map((other) => ({ attends, other })));
}

/** Returns the part of a genome that states how layers are repeated. */
export const genomeSharing = (sharing: Sharing): Pick<Genome, "sharing"> =>
  sharing === "none" ? {} : { sharing };
