// The qwen3 and llama architectures: attention in every layer, with QK-norm and without. All hyper-parameters
// in their files are scalars. Sources: llama.cpp src/models/{qwen3,llama}.cpp, transformers
// configuration_qwen3.py and configuration_llama.py.
import { u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { inPairs } from "./padding.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  refuse,
  same,
  type Upstream,
  unevenConfig,
  unevenness,
  windowsIn,
} from "./upstream.ts";

/**
 * True if all layers are attention and the first has QK-norm as given. `problem` refuses layers that differ
 * from the first.
 */
const holds = ({ layers }: Layout, qkNorm: boolean): boolean =>
  layers.every(({ mixer }) => attentionOf(mixer) !== null) &&
  attentionOf(layers[0]!.mixer)?.qkNorm === qkNorm;

function problem(layout: Layout): string | null {
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (windowsIn(layout).length > 0) return "all its layers are attention, some over a window";
  return same(attentionIn(layout).map((m) => m.kvHeads)) ? null : "its attention layers differ in kv heads";
}

const shared = {
  finalNorm: "output_norm.weight",
  problem,
  metadata: (layout: Layout) => attentionMetadata(layout, u32(attentionIn(layout)[0]!.kvHeads)),
  transformersNote: () => null,
} as const;

/** Qwen3: attention with QK-norm. The class of transformers has windows, that of llama.cpp does not. */
export const qwen3 = {
  ...shared,
  name: "qwen3",
  holds: (layout) => holds(layout, true),
  transformers: (layout, context) => {
    const uneven = unevenConfig(layout);
    if (uneven !== null) return uneven;
    const [window] = windowsIn(layout);
    const config = {
      architectures: ["Qwen3ForCausalLM"],
      model_type: "qwen3",
      ...commonConfig(layout, context),
      rms_norm_eps: NORM_EPSILON,
      attention_bias: false,
      hidden_act: "silu",
      use_sliding_window: window !== undefined,
      sliding_window: window ?? null,
      layer_types: attentionIn(layout).map(({ op }) =>
        op === "swa" ? "sliding_attention" : "full_attention",
      ),
    };
    return { ok: true, config };
  },
} as const satisfies Upstream;

/** Llama: attention without QK-norm. */
export const llama = {
  ...shared,
  name: "llama",
  holds: (layout) => holds(layout, false),
  padded: inPairs,
  transformers: (layout, context) => {
    const uneven = unevenConfig(layout);
    if (uneven !== null) return uneven;
    if (windowsIn(layout).length > 0)
      return refuse("a window without QK-norm: transformers' Llama has no windows");
    const config = {
      architectures: ["LlamaForCausalLM"],
      model_type: "llama",
      ...commonConfig(layout, context),
      rms_norm_eps: NORM_EPSILON,
      attention_bias: false,
      mlp_bias: false,
      hidden_act: "silu",
    };
    return { ok: true, config };
  },
} as const satisfies Upstream;
