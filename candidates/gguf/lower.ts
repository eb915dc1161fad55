// "Compiling" a layout: which GGUF architecture expresses it, its hyper-parameters and its tensor table.
// Upstream architecture and tensor names wherever they can express the layout, so that llama.cpp loads the file;
// `edgefront` where they cannot. The contract with the kernels is written in kernels/README.md.
import { staticCost, tensorsOf } from "../cost.ts";
import { type Layout, layoutId, NORM_EPSILON } from "../layout.ts";
import { formatNotation } from "../notation.ts";
import { type Attention, DEFAULT_ROPE_THETA } from "../ops/attention.ts";
import type { Mixer } from "../ops/operator-registry.ts";
import { bytesOf, type Quantization, tensorType, tensorTypes } from "../quantization.ts";
import { ALIGNMENT, encodeGguf, type MetadataValue, type TensorInfo } from "./encode.ts";

export type Architecture = "lfm2" | "qwen3" | "llama" | "edgefront";

export interface LowerOptions {
  readonly quantization: Quantization;
  /** Seed of the weights that a device makes for itself. */
  readonly seed?: number;
  /** Trained context length written into the file. */
  readonly contextLength?: number;
  /** A made-up vocabulary (one token per id), which other runtimes insist on; plans for devices go without. */
  readonly vocabulary?: boolean;
  readonly name?: string;
}

const DEFAULT_CONTEXT_LENGTH = 32_768;

/** ggml file types (llama.cpp `general.file_type`). */
const fileTypes: Record<Quantization, number> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7 };

const same = (values: readonly unknown[]): boolean => new Set(values).size <= 1;

/** Which architecture expresses a layout. `why` says what upstream ones cannot: null where one of them does. */
export interface Expression {
  readonly architecture: Architecture;
  readonly why: string | null;
}

/**
 * The architecture that expresses a layout. llama.cpp's lfm2 needs both kinds of mixer, one geometry whose heads span the
 * width, one kernel size and one window for all its attention layers (its loader aborts on an all-attention layout).
 */
export function expressionOf(layout: Layout): Expression {
  const own = (why: string): Expression => ({ architecture: "edgefront", why });
  const upstream = (architecture: Architecture): Expression => ({ architecture, why: null });
  const mixers = layout.layers.map((layer) => layer.mixer);
  const attention = mixers.filter((mixer): mixer is Attention => mixer.op !== "conv");
  const convolutions = mixers.filter((mixer) => mixer.op === "conv");
  if (attention.length === 0) return own("it has no attention layer");
  if (!same(attention.map((m) => [m.heads, m.headDim, m.ropeTheta, m.qkNorm].join())))
    return own("its attention layers differ in heads, head size, RoPE base or QK-norm");
  if (!same(layout.layers.map((layer) => layer.ffn.width))) return own("its layers differ in FFN width");
  const { heads, headDim, qkNorm } = attention[0]!;
  if (convolutions.length > 0) {
    if (!qkNorm) return own("it has convolutions and attention without QK-norm");
    if (heads * headDim !== layout.width)
      return own(`its heads (${heads} of ${headDim}) do not span the width ${layout.width}`);
    if (!same(attention.map((m) => (m.op === "swa" ? m.window : 0))))
      return own("its attention layers differ in their window");
    if (!same(convolutions.map((m) => m.kernel))) return own("its convolutions differ in their taps");
    return upstream("lfm2");
  }
  if (attention.some((m) => m.op === "swa")) return own("all its layers are attention, some over a window");
  if (!same(attention.map((m) => m.kvHeads))) return own("its attention layers differ in kv heads");
  return upstream(qkNorm ? "qwen3" : "llama");
}

export const architectureOf = (layout: Layout): Architecture => expressionOf(layout).architecture;

const u32 = (value: number): MetadataValue => ({ type: "u32", value });
const f32 = (value: number): MetadataValue => ({ type: "f32", value });
const text = (value: string): MetadataValue => ({ type: "string", value });
const i32s = (value: readonly number[]): MetadataValue => ({ type: "i32[]", value });

type Entries = readonly (readonly [string, MetadataValue])[];

/** Hyper-parameters of an upstream architecture: scalars, but for lfm2's kv heads, where 0 marks a convolution. */
function upstreamMetadata(architecture: Architecture, layout: Layout): Entries {
  const mixers = layout.layers.map((layer) => layer.mixer);
  const attention = mixers.find((mixer): mixer is Attention => mixer.op !== "conv")!;
  const convolution = mixers.find((mixer) => mixer.op === "conv");
  const kvHeads = mixers.map((mixer) => (mixer.op === "conv" ? 0 : mixer.kvHeads));
  return [
    ["feed_forward_length", u32(layout.layers[0]!.ffn.width)],
    ["attention.head_count", u32(attention.heads)],
    ["attention.head_count_kv", architecture === "lfm2" ? i32s(kvHeads) : u32(attention.kvHeads)],
    ["attention.key_length", u32(attention.headDim)],
    ["attention.value_length", u32(attention.headDim)],
    ["rope.dimension_count", u32(attention.headDim)],
    ["rope.freq_base", f32(attention.ropeTheta)],
    ...(convolution ? [["shortconv.l_cache", u32(convolution.kernel)] as const] : []),
    ...(attention.op === "swa" ? [["attention.sliding_window", u32(attention.window)] as const] : []),
  ];
}

/** Hyper-parameters of the edgefront architecture: every quantity per layer, 0 where it does not apply. */
function ownMetadata(layout: Layout): Entries {
  const mixers = layout.layers.map((layer) => layer.mixer);
  const perLayer = (of: (mixer: Attention) => number, otherwise = 0): number[] =>
    mixers.map((mixer) => (mixer.op === "conv" ? otherwise : of(mixer)));
  const window = (mixer: Mixer): number => (mixer.op === "swa" ? mixer.window : 0);
  const thetas = perLayer((m) => m.ropeTheta, DEFAULT_ROPE_THETA);
  return [
    ["layer.mixer", { type: "string[]", value: mixers.map((mixer) => mixer.op) }],
    ["feed_forward_length", i32s(layout.layers.map((layer) => layer.ffn.width))],
    ["attention.head_count", i32s(perLayer((m) => m.heads))],
    ["attention.head_count_kv", i32s(perLayer((m) => m.kvHeads))],
    ["attention.key_length", i32s(perLayer((m) => m.headDim))],
    ["attention.value_length", i32s(perLayer((m) => m.headDim))],
    ["attention.sliding_window", i32s(mixers.map(window))],
    ["attention.qk_norm", { type: "bool[]", value: mixers.map((m) => m.op !== "conv" && m.qkNorm) }],
    ["rope.freq_base", { type: "f32[]", value: thetas }],
    ["shortconv.l_cache", i32s(mixers.map((mixer) => (mixer.op === "conv" ? mixer.kernel : 0)))],
  ];
}

/** A byte-pair vocabulary of V distinct tokens and one merge: enough for loaders, meaningless as text. */
function madeUpVocabulary(vocab: number): Entries {
  const tokens = Array.from({ length: vocab }, (_, id) => (id === 0 ? "a" : id === 1 ? "b" : `<t${id}>`));
  const NORMAL_TOKEN = 1;
  return [
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("default")],
    ["tokenizer.ggml.tokens", { type: "string[]", value: tokens }],
    ["tokenizer.ggml.token_type", i32s(tokens.map(() => NORMAL_TOKEN))],
    ["tokenizer.ggml.merges", { type: "string[]", value: ["a b"] }],
    ["tokenizer.ggml.bos_token_id", u32(0)],
    ["tokenizer.ggml.eos_token_id", u32(1)],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
  ];
}

export interface Lowered {
  readonly architecture: Architecture;
  readonly tensors: readonly TensorInfo[];
  /** The file up to its tensor data: the plan that travels to a device. */
  readonly plan: Buffer;
  readonly weightBytes: number;
}

/** Lowers a layout to a GGUF v3 plan. The same layout and options give the same bytes on every machine. */
export function lower(layout: Layout, options: LowerOptions): Lowered {
  const architecture = architectureOf(layout);
  const finalNorm = architecture === "lfm2" ? "token_embd_norm.weight" : "output_norm.weight";
  const tensors = tensorsOf(layout, finalNorm).map((tensor): TensorInfo => {
    const type = tensorType(tensor, options.quantization);
    const bytes = bytesOf(tensor.shape, type);
    return { name: tensor.name, shape: tensor.shape, type: tensorTypes[type].id, bytes };
  });
  const hyper = architecture === "edgefront" ? ownMetadata(layout) : upstreamMetadata(architecture, layout);
  const common: Entries = [
    ["block_count", u32(layout.layers.length)],
    ["context_length", u32(options.contextLength ?? DEFAULT_CONTEXT_LENGTH)],
    ["embedding_length", u32(layout.width)],
    ["vocab_size", u32(layout.vocab)],
    ["attention.layer_norm_rms_epsilon", f32(NORM_EPSILON)],
  ];
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", text(architecture)],
    ["general.name", text(options.name ?? layoutId(layout))],
    ["general.alignment", u32(ALIGNMENT)],
    ["general.quantization_version", u32(2)],
    ["general.file_type", u32(fileTypes[options.quantization])],
    ["edgefront.layout", text(formatNotation(layout))],
    ...(options.seed === undefined
      ? []
      : [["edgefront.weights.seed", { type: "u64", value: options.seed } as const] as const]),
    ...[...common, ...hyper].map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...(options.vocabulary
      ? madeUpVocabulary(layout.vocab)
      : [["tokenizer.ggml.model", text("no_vocab")] as const]),
  ]);
  const { weightBytes } = staticCost(layout, { context: 0, quantization: options.quantization });
  return { architecture, tensors, plan: encodeGguf(metadata, tensors), weightBytes };
}
