// The qwen35 architecture: Gated DeltaNet and attention with an output gate for every channel. A layout's
// attention has no such gate, so the architecture runs it padded: where the gate's rows are zero, every gate is
// 1/2, and an output matrix of twice the values makes up for it. Sources: llama.cpp src/models/qwen35.cpp,
// transformers modeling_qwen3_5.py.
import { i32s, u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { type Gdn, gdn, gdnOf } from "../gdn.ts";
import type { PaddedTensor } from "./padding.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  feedForwardLength,
  modelConfig,
  refuse,
  same,
  type TransformersConfig,
  type Upstream,
  unevenConfig,
  unevenness,
  unlikeAttention,
  windowsIn,
} from "./upstream.ts";

const gdnIn = ({ layers }: Layout): readonly Gdn[] => layers.flatMap(({ mixer }) => gdnOf(mixer) ?? []);

/** Returns true if all Gated DeltaNet layers are alike. */
const alike = (layout: Layout): boolean =>
  same(gdnIn(layout).map((spec) => JSON.stringify(gdn.notation.format(spec))));

/** Returns a property that the architecture cannot express even padded, or null. */
function unpaddable(layout: Layout): string | null {
  const attention = attentionIn(layout);
  const [first] = attention;
  const [spec] = gdnIn(layout);
  if (first === undefined || spec === undefined) return "it has no attention layer beside Gated DeltaNet";
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (!first.qkNorm) return "it has Gated DeltaNet and attention without QK-norm";
  const unlike = unlikeAttention(layout);
  if (unlike !== null) return unlike;
  if (!alike(layout)) return "its Gated DeltaNet layers differ";
  if (spec.keyDim !== spec.valueDim) return "its key heads and value heads differ in size";
  // llama.cpp's value head h reads key head h mod keyHeads, a layout's floor(h * keyHeads / valueHeads).
  return spec.keyHeads === spec.valueHeads || spec.keyHeads === 1
    ? null
    : "several of its value heads share a key head";
}

const isAttention = (layout: Layout, name: string): boolean => {
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  return layer !== undefined && attentionOf(layout.layers[Number(layer)]!.mixer) !== null;
};

function padded(layout: Layout, tensor: PaddedTensor): PaddedTensor {
  const { name, shape } = tensor;
  if (name.endsWith(".ffn_norm.weight"))
    return { ...tensor, name: name.replace("ffn_norm", "post_attention_norm") };
  if (!isAttention(layout, name)) return tensor;
  if (name.endsWith(".attn_q.weight"))
    return { ...tensor, shape: [shape[0]!, 2 * shape[1]!], group: attentionIn(layout)[0]!.headDim };
  return name.endsWith(".attn_output.weight") ? { ...tensor, factor: 2 } : tensor;
}

/**
 * Returns the config of the class that computes the same as the layout, if the rows of its attention's gates are
 * zero and its output matrices hold twice the values. Layouts without attention need neither.
 */
export function gatedConfig(layout: Layout, context: number): TransformersConfig {
  const attention = attentionIn(layout);
  const [spec] = gdnIn(layout);
  const uneven = unevenConfig(layout);
  if (uneven !== null) return uneven;
  if (!alike(layout)) return refuse("Gated DeltaNet layers of different shapes");
  if (!attention.every(({ qkNorm }) => qkNorm)) return refuse("Gated DeltaNet and attention without QK-norm");
  if (windowsIn(layout).length > 0)
    return refuse("Gated DeltaNet beside windows: transformers' Qwen3_5 has no windows");
  const rope = { rope_type: "default", rope_theta: attention[0]?.ropeTheta, partial_rotary_factor: 1 };
  const config = {
    architectures: ["Qwen3_5ForCausalLM"],
    model_type: "qwen3_5_text",
    ...(attention.length > 0
      ? { ...commonConfig(layout, context), rope_parameters: rope }
      : modelConfig(layout, {
          intermediate_size: feedForwardLength(layout),
          num_hidden_layers: layout.layers.length,
          max_position_embeddings: context,
        })),
    rms_norm_eps: NORM_EPSILON,
    hidden_act: "silu",
    attention_bias: false,
    linear_conv_kernel_dim: spec!.kernel,
    linear_num_key_heads: spec!.keyHeads,
    linear_num_value_heads: spec!.valueHeads,
    linear_key_head_dim: spec!.keyDim,
    linear_value_head_dim: spec!.valueDim,
    layer_types: layout.layers.map(({ mixer }) =>
      gdnOf(mixer) === null ? "full_attention" : "linear_attention",
    ),
  };
  return { ok: true, config };
}

/** Qwen 3.5, by Alibaba. */
export const qwen35 = {
  name: "qwen35",
  finalNorm: "output_norm.weight",
  holds: ({ layers }) =>
    layers.some(({ mixer }) => gdnOf(mixer) !== null) &&
    layers.every(({ mixer }) => gdnOf(mixer) !== null || attentionOf(mixer) !== null),
  problem: (layout) => unpaddable(layout) ?? "its attention has no output gate for every channel",
  unpaddable,
  padded,
  metadata: (layout) => {
    const [first] = attentionIn(layout);
    const [spec] = gdnIn(layout);
    const pairs = first!.headDim / 2;
    const recurrent = layout.layers.map(({ mixer }) => (gdnOf(mixer) === null ? 0 : 1));
    return [
      ...attentionMetadata(layout, u32(first!.kvHeads)),
      // Pair i has the position of section i mod 3 if it is among that section's pairs, else the fourth, which is
      // 0 for text. So every pair must be in its section.
      ["rope.dimension_sections", i32s([...[0, 1, 2].map((first) => Math.ceil((pairs - first) / 3)), 0])],
      ["attention.recurrent_layers", i32s(recurrent)],
      ...gdn.keys.map(({ key, of }) => [key, u32(of(spec!, layout.width))] as const),
    ];
  },
  transformers: (layout, context) =>
    attentionIn(layout).length > 0
      ? refuse(
          "Gated DeltaNet beside attention without an output gate, which transformers' Qwen3_5 always has",
        )
      : gatedConfig(layout, context),
  transformersNote: () => null,
} as const satisfies Upstream;
