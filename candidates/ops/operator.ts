// The properties that an operator states about itself. A file in this folder implements `MixerOperator` or
// `FfnOperator`, and operator-registry.ts lists it. parallel-mixers.ts combines two mixers. Code outside this folder never compares an operator's
// name: it asks these members. Counts are exact for the listed tensors. FLOPs count a multiply-add as two.
import type { z } from "zod";

/** A tensor of the lowered model. */
export interface TensorSpec {
  readonly name: string;
  /** Dimensions as in GGUF: `shape[0]` is the contiguous (input) dimension. */
  readonly shape: readonly number[];
  /**
   * matrix: quantised to the requested type. float: a matrix kept in F32. vector: norms and convolution taps,
   * kept in F32. embedding: the token table.
   */
  readonly role: "matrix" | "float" | "vector" | "embedding";
  /**
   * The tensor holds `stored` experts along its last dimension, and a token uses `used` of them. Absent: a
   * token uses the whole tensor.
   */
  readonly experts?: { readonly stored: number; readonly used: number };
}

/** Returns the number of elements of a tensor of this shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** Returns the number of elements of all these tensors together. */
export const countElements = (tensors: readonly TensorSpec[]): number =>
  tensors.reduce((sum, { shape }) => sum + elements(shape), 0);

/** Returns the number of elements of these tensors that one token uses. */
export const countActive = (tensors: readonly TensorSpec[]): number =>
  tensors.reduce((sum, { shape, experts }) => {
    const all = elements(shape);
    return sum + (experts === undefined ? all : (all / experts.stored) * experts.used);
  }, 0);

/** Cached state of one sequence in one layer, in elements. The two parts are stored in different types. */
export interface StateElements {
  /** Keys and values. The runtime chooses F16 or Q8_0. */
  readonly kv: number;
  /** State of fixed size, in F32. */
  readonly recurrent: number;
}

/** Cost of one decode step in one layer for one sequence, without the weight matrices. */
export interface DecodeCost {
  /** FLOPs of scores, convolution taps and the like. */
  readonly flops: number;
  /** State elements read for one token. */
  readonly reads: StateElements;
  /** State elements written for one token. */
  readonly writes: StateElements;
}

/** Abilities of a mixer that a search or a report asks for. */
export interface Traits {
  /**
   * Tokens that a position reads, its own included: 1 for no mixing, k for a fixed window, Infinity without a
   * bound.
   */
  readonly reach: number;
  /** True for attention: the mixer can recall any single token within its reach by content. */
  readonly lookup: boolean;
  /** True if the state has a fixed size per sequence, rather than an entry per token. */
  readonly stateful: boolean;
  /** True if a token needs the result of the token before it, so that a prefill is as slow as decoding. */
  readonly sequential?: boolean;
}

/** The keys and values of a layer of attention. */
export interface KvUse {
  /** Layers of one kind can read the same keys and values. */
  readonly kind: string;
  /** False: the layer reads those of the nearest earlier layer of its kind that has its own. */
  readonly own: boolean;
}

/** A header field of the notation that supplies the argument of bare tokens, e.g. `h16/8x64`. */
export interface HeaderField {
  readonly letter: string;
  /** Throws InvalidInputError (`bad-notation`) if the field's text is malformed. */
  check(text: string): void;
}

/** A token of the notation: `g(8/2x64)` has the head `g` and the argument `8/2x64`. */
export interface Token {
  readonly head: string;
  readonly argument?: string;
}

/** The spelling of an operator in a layout's notation. */
export interface Notation<Spec> {
  /** The token in help and messages, e.g. `c<k>`. */
  readonly form: string;
  /** A valid token, for messages. */
  readonly example: string;
  /** Valid tokens that differ in every parameter. The contract tests run them through the kernels. */
  readonly examples: readonly string[];
  /** Pattern of the head. No two operators match the same head. */
  readonly head: RegExp;
  /** The header field that supplies the argument of a bare token. */
  readonly header?: HeaderField;
  /**
   * Reads a token. `argument` comes from its parentheses, else from the header field. `text` is the written
   * token, for messages. Throws InvalidInputError (`bad-notation`).
   */
  parse(head: RegExpExecArray, argument: string | undefined, text: string): Spec;
  /** Writes a token. Parsing the token gives `spec` again. */
  format(spec: Spec): Token;
}

/** One per-layer array in the metadata of architecture `edgefront` (kernels/README.md). */
export interface LayerKey<Spec> {
  /** Key after the architecture's name. Operators that share a key share its meaning. */
  readonly key: string;
  readonly type: "i32" | "f32" | "bool";
  /** Value in layers to which the key does not apply. */
  readonly otherwise: number | boolean;
  /** Value in a layer of a model of this width. */
  of(spec: Spec, width: number): number | boolean;
  /** False if files need not have the key for the sake of this layer. Absent: the layer needs it. */
  needed?(spec: Spec): boolean;
}

/** The size of a proxy model, and the context that its sequences stand for. */
export interface ProxySize {
  /** Model width d of the proxy. */
  readonly width: number;
  readonly headDim: number;
  /** Length of a proxy sequence divided by the length of the context that it stands for; at most 1. */
  readonly share: number;
}

/** The size of a part of a layer. */
interface Sized<Spec> {
  /** Tensors in layer `prefix` (for example `blk.3`) of a model of width `width`, in file order. */
  tensors(spec: Spec, width: number, prefix: string): readonly TensorSpec[];
  /** Returns a reason why the operator is impossible in a model of this width, or null. */
  problem(spec: Spec, width: number): string | null;
  /** The same operator in a proxy model. `from` is the width of the original model. */
  scale(spec: Spec, from: number, to: ProxySize): Spec;
}

/** Members common to mixers and FFNs. */
interface Operator<Spec> extends Sized<Spec> {
  /** The value of `op` in a spec. */
  readonly name: string;
  /** Checks a spec of unknown origin. */
  readonly schema: z.ZodType;
  /** Name in prose, e.g. `convolution`. */
  readonly title: string;
  readonly notation: Notation<Spec>;
  readonly keys: readonly LayerKey<Spec>[];
}

/** A mark in the picture of a layout, which has one column per layer. */
export interface Mark {
  /** At most three characters, which identify the mark without its colour. */
  readonly text: string;
  readonly title: string;
}

/** A number by which reports compare layouts, combined over all layers that have it. */
export interface Quantity<Spec> {
  /** Name in the report. Operators that share a name share the number. */
  readonly name: string;
  /** sum: 0 if no layer has it. mean: absent if no layer has it. */
  readonly over: "sum" | "mean";
  of(spec: Spec): number;
}

/** The costs and abilities of the part of a layer that mixes tokens: of a mixer, or of two parallel ones. */
export interface Mixing<Spec> extends Sized<Spec> {
  traits(spec: Spec): Traits;
  /** Absent from mixers without keys and values. */
  kv?(spec: Spec): KvUse | undefined;
  /** Cached state of one sequence after `context` tokens. */
  state(spec: Spec, width: number, context: number): StateElements;
  /** Cost of one token after `context` tokens. */
  decode(spec: Spec, width: number, context: number): DecodeCost;
  /** FLOPs of a prefill of `length` tokens, without the weight matrices. */
  prefillFlops(spec: Spec, width: number, length: number): number;
}

/** A token mixer: the part of a layer that a search exchanges. */
export interface MixerOperator<Spec> extends Operator<Spec>, Mixing<Spec> {
  /**
   * Kind for the predictor, which fits one coefficient per kind. Mixers of one kind cost the same per weight
   * element.
   */
  costKind(spec: Spec): string;
  readonly picture: {
    /**
     * Style class of the mark. Operators of similar traits share one, because few colours are distinct for
     * all eyes.
     */
    readonly tone: "conv" | "swa" | "gqa";
    /** Height of the mark in px, at most 26. */
    readonly height: number;
    /** Meaning of the mark, for the legend. */
    readonly legend: string;
    mark(spec: Spec): Mark;
  };
  readonly quantities: readonly Quantity<Spec>[];
  /**
   * Stages of the kernels' profile that mix tokens. They compute in F32; products of quantised matrices do
   * not.
   */
  readonly floatStages: readonly string[];
}

/** A feed-forward network: the part of a layer that works on each token alone. */
export interface FfnOperator<Spec> extends Operator<Spec> {
  /**
   * Returns the number of channels between its matrices that one token uses; 0 without an FFN. Reports and
   * models compare layers by this number.
   */
  width(spec: Spec): number;
}
