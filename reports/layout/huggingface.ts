// A layout as a HuggingFace transformers config.json, where one of its classes can express it with the same parameters:
// Lfm2 (convolutions and attention), Qwen3 (attention with QK-norm, windows too), Llama (attention without QK-norm). Lfm2's keys are
// written in both spellings: transformers reads hidden_size and layer_types, while MLX, vLLM, SGLang, llama.cpp's converters and older
// transformers read block_dim, full_attn_idxs and their like, several of them without a default. Back in: candidates/transformers.ts.
import { isAttention, type Layout, NORM_EPSILON } from "../../candidates/layout.ts";
import { formatGeometry } from "../../candidates/notation.ts";
import type { Mixer } from "../../candidates/ops/operator-registry.ts";

export type HuggingFaceConfig =
  | { readonly ok: true; readonly config: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string };

const refuse = (reason: string): HuggingFaceConfig => ({ ok: false, reason });
const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

/** The config, or the reason why no class of transformers can express this layout. `context` is the longest it is meant for. */
export function huggingFaceConfig(layout: Layout, context = 32_768): HuggingFaceConfig {
  const mixers: readonly Mixer[] = layout.layers.map((layer) => layer.mixer);
  const attention = mixers.filter((mixer) => mixer.op !== "conv");
  const widths = distinct(layout.layers.map((layer) => layer.ffn.width));
  const geometries = distinct(attention.map(formatGeometry));
  const kernels = distinct(mixers.flatMap((mixer) => (mixer.op === "conv" ? [mixer.kernel] : [])));
  const windows = distinct(mixers.flatMap((mixer) => (mixer.op === "swa" ? [mixer.window] : [])));
  const [first] = attention;
  if (first === undefined) return refuse("no attention layer: transformers' Lfm2 needs at least one");
  if (widths.length > 1) return refuse(`FFN widths differ between layers (${widths.join(", ")})`);
  if (geometries.length > 1)
    return refuse(`attention geometries differ between layers (${geometries.join(", ")})`);
  if (kernels.length > 1) return refuse(`convolutions of different taps (${kernels.join(", ")})`);
  if (windows.length > 1) return refuse(`windows of different lengths (${windows.join(", ")})`);

  const common = {
    vocab_size: layout.vocab,
    hidden_size: layout.width,
    intermediate_size: widths[0]!,
    num_hidden_layers: layout.layers.length,
    num_attention_heads: first.heads,
    num_key_value_heads: first.kvHeads,
    head_dim: first.headDim,
    max_position_embeddings: context,
    // Both spellings: transformers before 5 reads the first, since 5 the second.
    rope_theta: first.ropeTheta,
    rope_parameters: { rope_type: "default", rope_theta: first.ropeTheta },
    tie_word_embeddings: true,
    use_cache: true,
  };
  if (kernels.length > 0) return lfm2(layout, common, first.qkNorm, kernels[0]!, windows.length > 0);
  if (first.qkNorm) return { ok: true, config: qwen3(mixers, common, windows[0]) };
  if (windows.length > 0) return refuse("a window without QK-norm: transformers' Llama has no windows");
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    ...common,
    rms_norm_eps: NORM_EPSILON,
    attention_bias: false,
    mlp_bias: false,
    hidden_act: "silu",
  };
  return { ok: true, config };
}

/** What a reader of the config should know; null where every program that reads it makes the same model of it. */
export function headSizeNote({ width, layers }: Layout): string | null {
  const attention = layers.flatMap(({ mixer }) => (mixer.op === "conv" ? [] : [mixer]))[0];
  if (attention === undefined || layers.every(isAttention) || attention.heads * attention.headDim === width)
    return null;
  return (
    `heads of ${attention.headDim} do not span the width (${attention.heads} x ${attention.headDim} is not ${width}): transformers reads ` +
    "head_dim, while MLX, vLLM and llama.cpp take width / heads and cannot run this model"
  );
}

/** The largest power of two up to `most` that divides n. */
function largestDivisor(n: number, most: number): number {
  let divisor = most;
  while (n % divisor !== 0) divisor /= 2;
  return divisor;
}

function lfm2(
  layout: Layout,
  common: Readonly<Record<string, unknown>> & {
    readonly num_attention_heads: number;
    readonly rope_theta: number;
  },
  qkNorm: boolean,
  kernel: number,
  windowed: boolean,
): HuggingFaceConfig {
  if (windowed) return refuse("convolutions beside windows: transformers' Lfm2 has no windows");
  if (!qkNorm) return refuse("no QK-norm: transformers' Lfm2 always has it");
  const ffn = layout.layers[0]!.ffn.width;
  const attends = layout.layers.map(isAttention);
  const config = {
    architectures: ["Lfm2ForCausalLM"],
    model_type: "lfm2",
    ...common,
    norm_eps: NORM_EPSILON,
    conv_bias: false,
    conv_L_cache: kernel,
    layer_types: attends.map((attention) => (attention ? "full_attention" : "conv")),
    full_attn_idxs: attends.flatMap((attention, index) => (attention ? [index] : [])),
    conv_dim: layout.width,
    conv_dim_out: layout.width,
    block_dim: layout.width,
    block_ff_dim: ffn,
    // The width is final: not to be scaled by 2/3. Readers that round it regardless round to what divides it.
    block_auto_adjust_ff_dim: false,
    block_multiple_of: largestDivisor(ffn, 256),
    block_ffn_dim_multiplier: 1,
    block_norm_eps: NORM_EPSILON,
    block_use_swiglu: true,
    num_heads: common.num_attention_heads,
    theta: common.rope_theta,
    tie_embedding: true,
    use_pos_enc: true,
  };
  return { ok: true, config };
}

function qwen3(
  mixers: readonly Mixer[],
  common: Readonly<Record<string, unknown>>,
  window: number | undefined,
) {
  return {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    ...common,
    rms_norm_eps: NORM_EPSILON,
    attention_bias: false,
    hidden_act: "silu",
    use_sliding_window: window !== undefined,
    sliding_window: window ?? null,
    layer_types: mixers.map((mixer) => (mixer.op === "swa" ? "sliding_attention" : "full_attention")),
  };
}
