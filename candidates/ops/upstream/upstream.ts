// The interface of an architecture that other engines run. A file in this folder implements `Upstream`, and
// architectures.ts lists it. It tells which layouts the architecture expresses: as GGUF for llama.cpp, and as
// a config.json for transformers.
import type { Entries } from "../../gguf/metadata.ts";
import { f32, u32 } from "../../gguf/metadata.ts";
import { type Layout, normsOf } from "../../layout.ts";
import { absentFfn } from "../absent-ffn.ts";
import { type Attention, attentionOf } from "../attention.ts";
import { formatGeometry } from "../geometry.ts";
import { type Moe, moeOf } from "../moe.ts";
import type { TensorSpec } from "../operator.ts";
import { partsOf } from "../operator-registry.ts";
import { swigluOf } from "../swiglu.ts";
import type { PaddedTensor } from "./padding.ts";

/** A config.json of transformers, or the reason why no class expresses the layout. */
export type TransformersConfig =
  | { readonly ok: true; readonly config: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string };

/** One upstream architecture. */
export interface Upstream {
  /** Value of `general.architecture`, and prefix of its keys. */
  readonly name: string;
  /** Name of the final norm's tensor. */
  readonly finalNorm: string;
  /** Name of the tensor of a layer's norm before the FFN. Absent: ffn_norm.weight. */
  readonly ffnNorm?: string;
  /**
   * True if the architecture has these kinds of mixers. At most one architecture holds a layout. `problem`
   * checks the other properties.
   */
  holds(layout: Layout): boolean;
  /** True if layers of the architecture share weights. Absent: each has its own, with its own keys and values. */
  readonly shares?: true;
  /** Returns a property of the layout that the architecture cannot express, or null. */
  problem(layout: Layout): string | null;
  /**
   * Returns a property of a filled-up layout that the architecture cannot express even with zeros added in its
   * own way (`padded`), or null. Absent where it adds none.
   */
  readonly unpaddable?: (layout: Layout) => string | null;
  /** Returns a tensor of a padded layout as the architecture has it. Absent where it has all as they are. */
  readonly padded?: (layout: Layout, tensor: PaddedTensor) => PaddedTensor;
  /** Hyper-parameters in file order. Keys have no prefix. A key that all files have replaces their value. */
  metadata(layout: Layout): Entries;
  /** Tensors of a file that hold no parameters, in file order after all others. Absent: none. */
  constants?(layout: Layout): readonly TensorSpec[];
  /** The layout as a config of transformers. `context` is the longest context that the config allows. */
  transformers(layout: Layout, context: number): TransformersConfig;
  /**
   * A warning for users of that config where programs interpret it differently; null where all build the same
   * model.
   */
  transformersNote(layout: Layout): string | null;
}

/** Returns true if no two values differ. */
export const same = (values: readonly unknown[]): boolean => new Set(values).size <= 1;

/** Returns each value once, in order of appearance. */
export const distinct = <T>(values: readonly T[]): readonly T[] => [...new Set(values)];

/** Returns a refusal of `transformers`. */
export const refuse = (reason: string): TransformersConfig => ({ ok: false, reason });

/** Returns the attention specs of a layout, in layer order. */
export const attentionIn = ({ layers }: Layout): readonly Attention[] =>
  layers.flatMap(({ mixer }) => partsOf(mixer).flatMap((part) => attentionOf(part) ?? []));

/** Returns the windows of a layout's attention layers, in layer order. Global attention has none. */
export const windowsIn = (layout: Layout): readonly number[] =>
  attentionIn(layout).flatMap((spec) => (spec.op === "swa" ? [spec.window] : []));

/** Returns a window, or a difference in KV heads, as a reason against an architecture without these; null if there is none. */
export function unlikeAttention(layout: Layout): string | null {
  if (windowsIn(layout).length > 0) return "some of its attention layers have a window";
  return same(attentionIn(layout).map(({ kvHeads }) => kvHeads))
    ? null
    : "its attention layers differ in kv heads";
}

/** Returns the widths of a layout's SwiGLU FFNs, in layer order. Other FFNs are left out. */
export const denseWidthsIn = ({ layers }: Layout): readonly number[] =>
  layers.flatMap(({ ffn }) => swigluOf(ffn)?.width ?? []);

/** Returns the mixtures of experts of a layout, in layer order. */
export const moesIn = ({ layers }: Layout): readonly Moe[] => layers.flatMap(({ ffn }) => moeOf(ffn) ?? []);

/** Returns true if no layer has an FFN. */
export const withoutFfns = ({ layers }: Layout): boolean =>
  layers.every(({ ffn }) => ffn.op === absentFfn.name);

/** Returns the width of dense FFNs. Readers need one even if every layer has experts. */
export const feedForwardLength = (layout: Layout): number =>
  denseWidthsIn(layout)[0] ?? moesIn(layout)[0]!.width;

/** Returns an option of layers that only the lfm3 architecture has, or null. */
export function lfm3Option(layout: Layout): string | null {
  const attention = attentionIn(layout);
  if (layout.layers.some((layer) => normsOf(layer) === "sandwich"))
    return "it has norms after its mixers and FFNs";
  if (attention.some((spec) => spec.outputGate)) return "its attention has an output gate";
  return attention.some((spec) => spec.rotated !== undefined)
    ? "RoPE turns only a part of its heads, or none"
    : null;
}

/**
 * Returns an option of layers that only lfm3 has, or a difference between attention layers that no upstream
 * architecture with scalar hyper-parameters expresses, or null.
 */
export function unevenAttention(layout: Layout): string | null {
  const option = lfm3Option(layout);
  if (option !== null) return option;
  return same(attentionIn(layout).map((m) => [m.heads, m.headDim, m.ropeTheta, m.qkNorm].join()))
    ? null
    : "its attention layers differ in heads, head size, RoPE base or QK-norm";
}

/** Returns what differs between the FFNs of layers, or is no SwiGLU; null where there is nothing. */
export function unevenFfns(layout: Layout): string | null {
  const widths = denseWidthsIn(layout);
  if (widths.length < layout.layers.length) return "some of its layers have an FFN other than SwiGLU";
  return same(widths) ? null : "its layers differ in FFN width";
}

/**
 * Returns options and differences of layers that no dense upstream architecture with scalar hyper-parameters
 * expresses, or null.
 */
export const unevenness = (layout: Layout): string | null => unevenAttention(layout) ?? unevenFfns(layout);

/**
 * Returns the hyper-parameters of every upstream architecture. `kvHeads` is a scalar, or an array with 0 for
 * other mixers.
 */
export function attentionMetadata(layout: Layout, kvHeads: Entries[number][1]): Entries {
  const first = attentionIn(layout)[0]!;
  return [
    ["feed_forward_length", u32(feedForwardLength(layout))],
    ["attention.head_count", u32(first.heads)],
    ["attention.head_count_kv", kvHeads],
    ["attention.key_length", u32(first.headDim)],
    ["attention.value_length", u32(first.headDim)],
    ["rope.dimension_count", u32(first.headDim)],
    ["rope.freq_base", f32(first.ropeTheta)],
  ];
}

/**
 * Returns a refusal that names an option of layers that only Lfm3 has, or differences between mixers that no
 * other class of transformers expresses; null where there are none.
 */
export function unevenMixers(layout: Layout, taps: readonly number[] = []): TransformersConfig | null {
  const option = lfm3Option(layout);
  if (option !== null) return refuse(option);
  const geometries = distinct(attentionIn(layout).map(formatGeometry));
  const kernels = distinct(taps);
  const windows = distinct(windowsIn(layout));
  if (geometries.length > 1)
    return refuse(`attention geometries differ between layers (${geometries.join(", ")})`);
  if (kernels.length > 1) return refuse(`convolutions of different taps (${kernels.join(", ")})`);
  if (windows.length > 1) return refuse(`windows of different lengths (${windows.join(", ")})`);
  return null;
}

/**
 * Returns a refusal that names options and differences of layers that no dense class with scalar
 * hyper-parameters expresses; null where there are none.
 */
export function unevenConfig(layout: Layout, taps: readonly number[] = []): TransformersConfig | null {
  const all = denseWidthsIn(layout);
  const widths = distinct(all);
  if (all.length < layout.layers.length) return refuse("some layers have an FFN other than SwiGLU");
  if (widths.length > 1) return refuse(`FFN widths differ between layers (${widths.join(", ")})`);
  return unevenMixers(layout, taps);
}

/** Returns the keys of config.json that every class has, around those of a class. */
export const modelConfig = <Own extends object>(layout: Layout, own: Own) => ({
  vocab_size: layout.vocab,
  hidden_size: layout.width,
  ...own,
  tie_word_embeddings: true,
  use_cache: true,
});

/** Returns the keys of config.json that every class with attention and FFNs has. */
export function commonConfig(layout: Layout, context: number) {
  const first = attentionIn(layout)[0]!;
  return modelConfig(layout, {
    intermediate_size: feedForwardLength(layout),
    num_hidden_layers: layout.layers.length,
    num_attention_heads: first.heads,
    num_key_value_heads: first.kvHeads,
    head_dim: first.headDim,
    max_position_embeddings: context,
    // Both spellings are needed: transformers before version 5 reads the first, later versions the second.
    rope_theta: first.ropeTheta,
    rope_parameters: { rope_type: "default", rope_theta: first.ropeTheta },
  });
}
