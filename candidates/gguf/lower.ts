// "Compiles" a layout: chooses the GGUF architecture that expresses it, its hyper-parameters and its tensor
// table. Upstream names are used wherever they express the layout, so that llama.cpp loads the file. Other
// layouts use `edgefront`. kernels/README.md states the contract with the kernels.
import { tensorsOf } from "../cost.ts";
import { type Layout, layoutId, NORM_EPSILON } from "../layout.ts";
import { formatNotation } from "../notation.ts";
import type { LayerKey, TensorSpec } from "../ops/operator.ts";
import { ffnOperatorOf, layerKeys, operatorOf, partsOf } from "../ops/operator-registry.ts";
import { type UpstreamName, upstreamOf } from "../ops/upstream/architectures.ts";
import { filledUp, type PaddedTensor, paddedTensors } from "../ops/upstream/padding.ts";
import { bytesOf, type Quantization, tensorType, tensorTypes } from "../quantization.ts";
import { kvSources, sharedBetween, weightSources } from "../sharing.ts";
import { ALIGNMENT, encodeGguf, type MetadataValue, type TensorInfo } from "./encode.ts";
import { type Entries, f32, i32s, text, u32 } from "./metadata.ts";

/**
 * Values of `general.architecture`: an architecture that llama.cpp knows, or our own for all other layouts.
 */
export type Architecture = UpstreamName | "edgefront";

export interface LowerOptions {
  readonly quantization: Quantization;
  /** Seed from which a device generates the weights. */
  readonly seed?: number;
  /** Trained context length written into the file. */
  readonly contextLength?: number;
  /** Adds a made-up vocabulary, one token per id, which other runtimes require. Plans for devices omit it. */
  readonly vocabulary?: boolean;
  readonly name?: string;
}

const DEFAULT_CONTEXT_LENGTH = 32_768;

/** ggml file types (llama.cpp `general.file_type`). */
const fileTypes: Record<Quantization, number> = { f32: 0, f16: 1, q4_0: 2, q8_0: 7 };

/**
 * The architecture that expresses a layout. `why` is the reason against upstream architectures; null where
 * one is used.
 */
export interface Expression {
  readonly architecture: Architecture;
  readonly why: string | null;
}

/**
 * Finds the architecture that expresses a layout: an upstream one where possible (candidates/ops/upstream/).
 */
export function expressionOf(layout: Layout): Expression {
  const upstream = upstreamOf(layout);
  const why =
    upstream === null
      ? (sharedBetween(layout.layers) ??
        "edgefront writes no upstream architecture with this mixture of layers")
      : upstream.problem(layout);
  return why === null ? { architecture: upstream!.name, why } : { architecture: "edgefront", why };
}

/** Returns the name of the architecture that expresses a layout. */
export const architectureOf = (layout: Layout): Architecture => expressionOf(layout).architecture;

/**
 * The layers whose weights, keys and values each layer uses. A key is present only if some layer uses
 * another's.
 */
function sharingMetadata({ layers }: Layout): Entries {
  const sources = [
    ["layer.weights_from", weightSources(layers)],
    ["attention.kv_from", kvSources(layers).map((source, index) => source ?? index)],
  ] as const;
  return sources.flatMap(([key, from]) =>
    from.some((source, index) => source !== index) ? [[key, i32s(from)] as const] : [],
  );
}

/**
 * Hyper-parameters of the `edgefront` architecture, each per layer. Layers to which one does not apply hold
 * its `otherwise`.
 */
function ownMetadata(layout: Layout): Entries {
  const read = <Spec>(keys: readonly LayerKey<Spec>[], spec: Spec, all = false) =>
    keys.map(({ key, of, needed }) => ({
      key,
      value: of(spec, layout.width),
      needed: all || (needed?.(spec) ?? true),
    }));
  const perLayer = layout.layers.map(({ mixer, ffn }) => [
    // The tensors of parallel mixers do not show the options of either, so every key is needed.
    ...partsOf(mixer).flatMap((part, _, { length }) => read(operatorOf(part).keys, part, length > 1)),
    ...read(ffnOperatorOf(ffn).keys, ffn),
  ]);
  const needed = new Set(perLayer.flat().flatMap((own) => (own.needed ? own.key : [])));
  const used = layerKeys.filter(({ key, always }) => always || needed.has(key.key));
  return [
    [
      "layer.mixer",
      {
        type: "string[]",
        value: layout.layers.map(({ mixer }) =>
          partsOf(mixer)
            .map(({ op }) => op)
            .join("+"),
        ),
      },
    ],
    ...used.map(({ key: { key, type, otherwise } }) => {
      const value = perLayer.map((layer) => layer.find((own) => own.key === key)?.value ?? otherwise);
      return [key, { type: `${type}[]`, value } as MetadataValue] as const;
    }),
    ...sharingMetadata(layout),
  ];
}

/** A byte-pair vocabulary of V distinct tokens and one merge. Loaders accept it; its text has no meaning. */
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
  /** In file order. */
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: readonly TensorInfo[];
  /** The file up to its tensor data. Only this plan is uploaded to a device. */
  readonly plan: Buffer;
  readonly weightBytes: number;
}

/** Encodes a plan: the layout's common keys, the architecture's own, and its tensors. */
function encode(
  layout: Layout,
  form: {
    readonly architecture: Architecture;
    readonly hyper: Entries;
    readonly tensors: readonly TensorSpec[];
  },
  options: LowerOptions,
): Lowered {
  const { architecture, hyper } = form;
  const tensors = form.tensors.map((tensor): TensorInfo => {
    const type = tensorType(tensor, options.quantization);
    const bytes = bytesOf(tensor.shape, type);
    return { name: tensor.name, shape: tensor.shape, type: tensorTypes[type].id, bytes };
  });
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
  const weightBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  return { architecture, metadata, tensors, plan: encodeGguf(metadata, tensors), weightBytes };
}

/** The tensors of the file that `lower` plans. */
function exactTensors(layout: Layout): readonly TensorSpec[] {
  const upstream = architectureOf(layout) === "edgefront" ? null : upstreamOf(layout);
  return [...tensorsOf(layout, upstream ?? undefined), ...(upstream?.constants?.(layout) ?? [])];
}

/** Lowers a layout to a GGUF v3 plan. Equal layouts and options give equal bytes on every machine. */
export function lower(layout: Layout, options: LowerOptions): Lowered {
  const architecture = architectureOf(layout);
  const hyper = architecture === "edgefront" ? ownMetadata(layout) : upstreamOf(layout)!.metadata(layout);
  return encode(layout, { architecture, hyper, tensors: exactTensors(layout) }, options);
}

/** A layout as an upstream architecture expresses it with zeros added. */
export interface Padding {
  readonly architecture: UpstreamName;
  /** The filled-up layout. Its own architecture may need further zeros. */
  readonly as: Layout;
  /** Every tensor of the padded file, with its source among those of the exact file. */
  readonly tensors: readonly PaddedTensor[];
}

/** Returns how an upstream architecture expresses a layout with zeros added, or null where none does. */
export function paddingOf(layout: Layout): Padding | null {
  const as = filledUp(layout);
  const upstream = upstreamOf(as);
  if (upstream === null || (upstream.unpaddable ?? upstream.problem)(as) !== null) return null;
  // Constants are not in the exact file, so nothing could be copied from there.
  if (upstream.constants !== undefined) return null;
  const tensors = paddedTensors(exactTensors(layout), tensorsOf(layout, upstream), tensorsOf(as, upstream));
  const { padded = (_: Layout, tensor: PaddedTensor) => tensor } = upstream;
  return { architecture: upstream.name, as, tensors: tensors.map((tensor) => padded(as, tensor)) };
}

/** Lowers a padded layout to a plan of the padded file. The seed is left out: the file holds other weights. */
export function lowerPadded(
  { architecture, as, tensors }: Padding,
  options: Omit<LowerOptions, "seed">,
): Lowered {
  return encode(as, { architecture, hyper: upstreamOf(as)!.metadata(as), tensors }, options);
}
