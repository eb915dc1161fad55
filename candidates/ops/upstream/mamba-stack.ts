// The mamba and mamba2 architectures: recurrences of one shape in every layer, and no FFNs. All hyper-parameters
// in their files are scalars. llama.cpp's loader aborts unless the expansion of Mamba is 2. Sources: llama.cpp
// src/models/{mamba,mamba2}.cpp.
import { u32 } from "../../gguf/metadata.ts";
import type { Layout } from "../../layout.ts";
import { type Mamba1, mamba1, mamba1Of } from "../mamba1.ts";
import { type Mamba2, mamba2, mamba2Of } from "../mamba2.ts";
import type { MixerOperator } from "../operator.ts";
import { lfm3Option, refuse, same, type Upstream, withoutFfns } from "./upstream.ts";

/** Returns true if all layers have the mixer that `of` recognises, and no FFN. */
const stackOf = (layout: Layout, of: (mixer: Layout["layers"][number]["mixer"]) => unknown): boolean =>
  withoutFfns(layout) && layout.layers.every(({ mixer }) => of(mixer) !== null);

/** Returns a difference between the layers, or null. */
function uneven<Spec>(layout: Layout, { notation }: Pick<MixerOperator<Spec>, "notation">): string | null {
  const shapes = layout.layers.map(({ mixer }) => JSON.stringify(notation.format(mixer as Spec)));
  return lfm3Option(layout) ?? (same(shapes) ? null : "its recurrences differ");
}

/** Returns the keys of the first layer's mixer. */
const keysOf = <Spec>(layout: Layout, { keys }: Pick<MixerOperator<Spec>, "keys">) =>
  keys.map(({ key, of }) => [key, u32(Number(of(layout.layers[0]!.mixer as Spec, layout.width)))] as const);

const shared = {
  finalNorm: "output_norm.weight",
  transformers: () =>
    refuse("recurrences without FFNs: edgefront writes no config.json of transformers for them"),
  transformersNote: () => null,
} as const;

/** Mamba, by Gu and Dao. */
export const mambaStack = {
  ...shared,
  name: "mamba",
  holds: (layout) => stackOf(layout, mamba1Of),
  problem: (layout) => {
    const problem = uneven<Mamba1>(layout, mamba1);
    const { expand } = mamba1Of(layout.layers[0]!.mixer)!;
    if (problem !== null || expand === 2) return problem;
    return `its layers have an expansion of ${expand}, not 2`;
  },
  metadata: (layout) => keysOf<Mamba1>(layout, mamba1),
} as const satisfies Upstream;

/** Mamba-2, by Dao and Gu. */
export const mamba2Stack = {
  ...shared,
  name: "mamba2",
  holds: (layout) => stackOf(layout, mamba2Of),
  problem: (layout) => uneven<Mamba2>(layout, mamba2),
  metadata: (layout) => keysOf<Mamba2>(layout, mamba2),
} as const satisfies Upstream;
