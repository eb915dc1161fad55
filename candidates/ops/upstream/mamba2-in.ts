// The Mamba-2 layers of a layout, for architectures that have one shape of them.
import { type Entries, u32 } from "../../gguf/metadata.ts";
import type { Layout } from "../../layout.ts";
import { type Mamba2, mamba2, mamba2Of } from "../mamba2.ts";
import { partsOf } from "../operator-registry.ts";
import { same } from "./upstream.ts";

/** Returns the Mamba-2 specs of a layout, in layer order. */
export const mamba2In = ({ layers }: Layout): readonly Mamba2[] =>
  layers.flatMap(({ mixer }) => partsOf(mixer).flatMap((part) => mamba2Of(part) ?? []));

/** Returns true if all Mamba-2 layers are alike. */
export const alike = (layout: Layout): boolean =>
  same(mamba2In(layout).map((spec) => JSON.stringify(mamba2.notation.format(spec))));

/** Returns the hyper-parameters of Mamba-2 layers that are all alike. */
export const mamba2Metadata = (layout: Layout): Entries =>
  mamba2.keys.map(({ key, of }) => [key, u32(of(mamba2In(layout)[0]!, layout.width))] as const);

/** Returns the keys of config.json for Mamba-2 of this shape, without its inner width. */
export const mamba2Config = (spec: Mamba2, width: number) => ({
  mamba_n_heads: (spec.expand * width) / spec.headDim,
  mamba_d_head: spec.headDim,
  mamba_d_state: spec.state,
  mamba_n_groups: spec.groups,
  mamba_d_conv: spec.kernel,
  mamba_conv_bias: true,
  mamba_proj_bias: false,
});
