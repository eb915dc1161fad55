// The lfm2 architecture: short convolutions and attention with QK-norm. llama.cpp's loader needs both kinds
// of mixer and aborts on an all-attention layout. Sources: llama.cpp src/models/lfm2.cpp, transformers
// configuration_lfm2.py.
import { type Entries, i32s, u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { attentionOf, reachOf } from "../attention.ts";
import { convOf } from "../conv.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  denseWidthsIn,
  lfm3Option,
  moesIn,
  refuse,
  same,
  type TransformersConfig,
  type Upstream,
  unevenAttention,
  unevenConfig,
  unevenMixers,
  unevenness,
  windowsIn,
} from "./upstream.ts";

/** Returns the taps of a layout's convolutions, in layer order. */
export const tapsIn = ({ layers }: Layout): readonly number[] =>
  layers.flatMap(({ mixer }) => convOf(mixer)?.kernel ?? []);

/** The largest power of two that divides n, at most `most`. */
function largestPowerOfTwo(n: number, most: number): number {
  let divisor = most;
  while (n % divisor !== 0) divisor /= 2;
  return divisor;
}

/** Returns true if convolutions and attention are the only mixers, and some are convolutions. */
export const holdsMixers = ({ layers }: Layout): boolean =>
  layers.some(({ mixer }) => convOf(mixer) !== null) &&
  layers.every(({ mixer }) => convOf(mixer) !== null || attentionOf(mixer) !== null);

/** Returns a property of the mixers that neither lfm2 nor lfm2moe can express, or null. */
export function mixerProblem(layout: Layout): string | null {
  const attention = attentionIn(layout);
  const [first] = attention;
  if (first === undefined) return "it has no attention layer";
  const uneven = unevenAttention(layout);
  if (uneven !== null) return uneven;
  if (!first.qkNorm) return "it has convolutions and attention without QK-norm";
  if (first.heads * first.headDim !== layout.width)
    return `its heads (${first.heads} of ${first.headDim}) do not span the width ${layout.width}`;
  if (!same(attention.map(reachOf))) return "its attention layers differ in their window";
  return same(tapsIn(layout)) ? null : "its convolutions differ in their taps";
}

/** Returns the hyper-parameters that lfm2 and lfm2moe share. A layer with 0 kv heads is a convolution. */
export const mixerMetadata = (layout: Layout): Entries => [
  ...attentionMetadata(layout, i32s(layout.layers.map(({ mixer }) => attentionOf(mixer)?.kvHeads ?? 0))),
  ["shortconv.l_cache", u32(tapsIn(layout)[0]!)],
];

/** Returns the keys of config.json that Lfm2 and Lfm2Moe share. */
export function mixerConfig(layout: Layout, context: number) {
  const attends = layout.layers.map(({ mixer }) => attentionOf(mixer) !== null);
  return {
    ...commonConfig(layout, context),
    norm_eps: NORM_EPSILON,
    conv_bias: false,
    conv_L_cache: tapsIn(layout)[0]!,
    layer_types: attends.map((attention) => (attention ? "full_attention" : "conv")),
  };
}

/** Returns a refusal of mixers that neither Lfm2 nor Lfm2Moe of transformers expresses, or null. */
export function refusedMixers(layout: Layout): TransformersConfig | null {
  const [first] = attentionIn(layout);
  if (first === undefined) return refuse("no attention layer: transformers' Lfm2 needs at least one");
  const uneven = unevenMixers(layout, tapsIn(layout));
  if (uneven !== null) return uneven;
  if (windowsIn(layout).length > 0)
    return refuse("convolutions beside windows: transformers' Lfm2 has no windows");
  return first.qkNorm ? null : refuse("no QK-norm: transformers' Lfm2 always has it");
}

/**
 * Writes both spellings of each key. transformers reads hidden_size and layer_types. MLX, vLLM, SGLang,
 * llama.cpp's converters and older transformers read block_dim, full_attn_idxs and similar keys, several of
 * them without a default.
 */
function transformers(layout: Layout, context: number) {
  const refused = refusedMixers(layout) ?? unevenConfig(layout);
  if (refused !== null) return refused;
  const [first] = attentionIn(layout);
  const ffn = denseWidthsIn(layout)[0]!;
  const config = {
    architectures: ["Lfm2ForCausalLM"],
    model_type: "lfm2",
    ...mixerConfig(layout, context),
    full_attn_idxs: layout.layers.flatMap(({ mixer }, index) => (attentionOf(mixer) === null ? [] : [index])),
    conv_dim: layout.width,
    conv_dim_out: layout.width,
    block_dim: layout.width,
    block_ff_dim: ffn,
    // The width is final, so readers must not scale it by 2/3. Some readers round it anyway, to a multiple
    // that divides it.
    block_auto_adjust_ff_dim: false,
    block_multiple_of: largestPowerOfTwo(ffn, 256),
    block_ffn_dim_multiplier: 1,
    block_norm_eps: NORM_EPSILON,
    block_use_swiglu: true,
    num_heads: first!.heads,
    theta: first!.ropeTheta,
    tie_embedding: true,
    use_pos_enc: true,
  };
  return { ok: true, config } as const;
}

/** Returns a warning if programs that read no head_dim cannot run the model, or null. */
export function transformersNote(layout: Layout): string | null {
  const [first] = attentionIn(layout);
  if (first === undefined || first.heads * first.headDim === layout.width) return null;
  return (
    `heads of ${first.headDim} do not span the width (${first.heads} x ${first.headDim} is not ${layout.width}): transformers reads ` +
    "head_dim, while MLX, vLLM and llama.cpp take width / heads and cannot run this model"
  );
}

/** LFM2, by Liquid AI. */
export const lfm2 = {
  name: "lfm2",
  finalNorm: "token_embd_norm.weight",
  holds: (layout) => holdsMixers(layout) && moesIn(layout).length === 0 && lfm3Option(layout) === null,
  problem: (layout) => mixerProblem(layout) ?? unevenness(layout),
  metadata: (layout) => {
    const window = windowsIn(layout)[0];
    return [
      ...mixerMetadata(layout),
      ...(window === undefined ? [] : [["attention.sliding_window", u32(window)] as const]),
    ];
  },
  transformers,
  transformersNote,
} as const satisfies Upstream;
