// The mamba and mamba2 architectures: recurrences of one shape in every layer, and no FFNs. All hyper-parameters
// in their files are scalars. llama.cpp's loader aborts unless the expansion of Mamba is 2. Sources: llama.cpp
// src/models/{mamba,mamba2}.cpp, transformers configuration_{mamba,mamba2}.py.
import { u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { type Mamba1, mamba1, mamba1Of } from "../mamba1.ts";
import { type Mamba2, mamba2, mamba2Of } from "../mamba2.ts";
import type { MixerOperator } from "../operator.ts";
import type { CountKey } from "../recurrent.ts";
import {
  lfm3Option,
  modelConfig,
  refuse,
  same,
  type TransformersConfig,
  type Upstream,
  withoutFfns,
} from "./upstream.ts";

/** Returns true if all layers have the mixer that `of` recognises, and no FFN. */
const stackOf = (layout: Layout, of: (mixer: Layout["layers"][number]["mixer"]) => unknown): boolean =>
  withoutFfns(layout) && layout.layers.every(({ mixer }) => of(mixer) !== null);

/** Returns a difference between the layers, or null. */
function uneven<Spec>(layout: Layout, { notation }: Pick<MixerOperator<Spec>, "notation">): string | null {
  const shapes = layout.layers.map(({ mixer }) => JSON.stringify(notation.format(mixer as Spec)));
  return lfm3Option(layout) ?? (same(shapes) ? null : "its recurrences differ");
}

/** Returns the keys of the first layer's mixer. */
const keysOf = <Spec>(layout: Layout, keys: readonly CountKey<Spec>[]) =>
  keys.map(({ key, of }) => [key, u32(of(layout.layers[0]!.mixer as Spec, layout.width))] as const);

/** Returns the config of a class: the keys of both, and its own. `different` refuses layers that differ. */
function config(
  layout: Layout,
  different: string | null,
  { expand, kernel }: Mamba1 | Mamba2,
  own: { readonly architectures: readonly string[] } & Readonly<Record<string, unknown>>,
): TransformersConfig {
  if (different !== null) return refuse(different);
  if (!Number.isInteger(expand))
    return refuse(`an expansion of ${expand}: the classes of transformers need a whole number`);
  const shared = modelConfig(layout, {
    num_hidden_layers: layout.layers.length,
    expand,
    conv_kernel: kernel,
    layer_norm_epsilon: NORM_EPSILON,
    use_bias: false,
    use_conv_bias: true,
    hidden_act: "silu",
    // The classes' own ids may lie outside the vocabulary.
    pad_token_id: null,
    bos_token_id: null,
    eos_token_id: null,
  });
  return { ok: true, config: { ...own, ...shared } };
}

const shared = { finalNorm: "output_norm.weight", transformersNote: () => null } as const;

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
  metadata: (layout) => keysOf<Mamba1>(layout, mamba1.keys),
  transformers: (layout) => {
    const spec = mamba1Of(layout.layers[0]!.mixer)!;
    return config(layout, uneven<Mamba1>(layout, mamba1), spec, {
      architectures: ["MambaForCausalLM"],
      model_type: "mamba",
      state_size: spec.state,
      time_step_rank: spec.rank ?? "auto",
    });
  },
} as const satisfies Upstream;

/** Mamba-2, by Dao and Gu. */
export const mamba2Stack = {
  ...shared,
  name: "mamba2",
  holds: (layout) => stackOf(layout, mamba2Of),
  problem: (layout) => uneven<Mamba2>(layout, mamba2),
  metadata: (layout) => keysOf<Mamba2>(layout, mamba2.keys),
  transformers: (layout) => {
    const spec = mamba2Of(layout.layers[0]!.mixer)!;
    return config(layout, uneven<Mamba2>(layout, mamba2), spec, {
      architectures: ["Mamba2ForCausalLM"],
      model_type: "mamba2",
      num_heads: (spec.expand * layout.width) / spec.headDim,
      head_dim: spec.headDim,
      state_size: spec.state,
      n_groups: spec.groups,
    });
  },
} as const satisfies Upstream;
