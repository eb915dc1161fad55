// Grouped-query attention, global (gqa) or over a sliding window (swa): RoPE of all or some channels,
// optional per-head RMS QK-norm and output gate. Sources: LFM2 technical report, arXiv 2511.23404, section 2;
// windows as in Mistral 7B, arXiv 2310.06825; gate and partial rotation as in LFM3 (transformers
// modeling_lfm3.py); keys and values of an earlier layer as in cross-layer attention, arXiv 2405.12981.
import { z } from "zod";
import {
  formatGeometry,
  geometryFields,
  geometryHeader,
  geometryOfToken,
  geometryProblem,
  largestDivisorUpTo,
  NO_ROPE_THETA,
} from "./geometry.ts";
import type { DecodeCost, LayerKey, MixerOperator, ProxySize, Quantity, TensorSpec } from "./operator.ts";

/**
 * "earlier": the layer reads the cache of the nearest earlier layer of its kind that has its own keys and
 * values.
 */
const kvField = { kv: z.literal("earlier").optional() };

const gqaSchema = z.strictObject({ op: z.literal("gqa"), ...geometryFields, ...kvField });
const swaSchema = z.strictObject({
  op: z.literal("swa"),
  ...geometryFields,
  /** The query at position p sees keys p-window+1 .. p. */
  window: z.int().min(1).max(1_048_576),
  ...kvField,
});

/** The spec of global attention. */
export type Gqa = Readonly<z.infer<typeof gqaSchema>>;
/** The spec of sliding-window attention. */
export type Swa = Readonly<z.infer<typeof swaSchema>>;
/** The spec of global or sliding-window attention. */
export type Attention = Gqa | Swa;

/** Returns the number of tokens that a query sees; Infinity for global attention. */
export const reachOf = (spec: Attention): number =>
  spec.op === "swa" ? spec.window : Number.POSITIVE_INFINITY;

/** True if the layer computes and stores its own keys and values. */
const ownsKv = (spec: Attention): boolean => spec.kv === undefined;

/** Elements of keys and values per token. */
const tokenElements = (spec: Attention): number => 2 * spec.kvHeads * spec.headDim;

/** FLOPs of the score and the weighted value of one (query, key) pair, summed over all heads. */
const pairFlops = (spec: Attention): number => 4 * spec.heads * spec.headDim;

/** Number of (query, visible key) pairs in a causal prefill of `length` tokens. */
function causalPairs(spec: Attention, length: number): number {
  const window = Math.min(reachOf(spec), length);
  return (window * (window + 1)) / 2 + (length - window) * window;
}

function tensors(spec: Attention, width: number, prefix: string): readonly TensorSpec[] {
  const queries = spec.heads * spec.headDim;
  const keys = spec.kvHeads * spec.headDim;
  const matrix = (name: string, input: number, output: number): TensorSpec => ({
    name: `${prefix}.${name}.weight`,
    shape: [input, output],
    role: "matrix",
  });
  const norm = (name: string): readonly TensorSpec[] =>
    spec.qkNorm ? [{ name: `${prefix}.${name}.weight`, shape: [spec.headDim], role: "vector" }] : [];
  const ofKv = <T>(...list: readonly T[]): readonly T[] => (ownsKv(spec) ? list : []);
  return [
    matrix("attn_q", width, queries),
    ...ofKv(matrix("attn_k", width, keys), matrix("attn_v", width, keys)),
    matrix("attn_output", queries, width),
    ...(spec.outputGate ? [matrix("attn_gate", width, spec.heads)] : []),
    ...norm("attn_q_norm"),
    ...ofKv(...norm("attn_k_norm")),
  ];
}

function decode(spec: Attention, _width: number, context: number): DecodeCost {
  const visible = Math.min(reachOf(spec), context);
  return {
    flops: pairFlops(spec) * visible,
    reads: { kv: tokenElements(spec) * visible, recurrent: 0 },
    writes: { kv: ownsKv(spec) ? tokenElements(spec) : 0, recurrent: 0 },
  };
}

const keys: readonly LayerKey<Attention>[] = [
  { key: "attention.head_count", type: "i32", otherwise: 0, of: (spec) => spec.heads },
  { key: "attention.head_count_kv", type: "i32", otherwise: 0, of: (spec) => spec.kvHeads },
  { key: "attention.key_length", type: "i32", otherwise: 0, of: (spec) => spec.headDim },
  { key: "attention.value_length", type: "i32", otherwise: 0, of: (spec) => spec.headDim },
  {
    key: "attention.sliding_window",
    type: "i32",
    otherwise: 0,
    of: (spec) => (spec.op === "swa" ? spec.window : 0),
  },
  { key: "attention.qk_norm", type: "bool", otherwise: false, of: (spec) => spec.qkNorm },
  { key: "rope.freq_base", type: "f32", otherwise: NO_ROPE_THETA, of: (spec) => spec.ropeTheta },
  {
    key: "rope.rotated_count",
    type: "i32",
    otherwise: 0,
    of: (spec) => spec.rotated ?? spec.headDim,
    needed: (spec) => spec.rotated !== undefined,
  },
  // Only files with parallel layers have this key. In others, a tensor tells.
  {
    key: "attention.output_gate",
    type: "bool",
    otherwise: false,
    of: (spec) => spec.outputGate ?? false,
    needed: () => false,
  },
];

const quantities: readonly Quantity<Attention>[] = [
  { name: "window tokens in all", over: "sum", of: (spec) => (spec.op === "swa" ? spec.window : 0) },
  { name: "key-value heads in all", over: "sum", of: (spec) => (ownsKv(spec) ? spec.kvHeads : 0) },
  { name: "attention layers with output gates", over: "sum", of: (spec) => Number(spec.outputGate ?? false) },
  {
    name: "share of a head that RoPE turns",
    over: "mean",
    of: (spec) => (spec.rotated ?? spec.headDim) / spec.headDim,
  },
];

/**
 * Query heads that fill the proxy's width. They share kv heads in the original ratio as far as their number
 * allows. RoPE turns the same share of a head, but never none or all of it where the original turns some.
 */
function scaledHeads(
  spec: Attention,
  to: ProxySize,
): Pick<Attention, "heads" | "kvHeads" | "headDim" | "rotated"> {
  const heads = Math.max(1, Math.floor(to.width / to.headDim));
  const group = largestDivisorUpTo(heads, spec.heads / spec.kvHeads);
  const size = { heads, kvHeads: heads / group, headDim: to.headDim };
  if (!spec.rotated) return size;
  const pairs = Math.round((spec.rotated / 2 / spec.headDim) * to.headDim);
  return { ...size, rotated: 2 * Math.min(Math.max(1, pairs), to.headDim / 2 - 1) };
}

function headsText(spec: Attention): string {
  const { heads, kvHeads, headDim, outputGate, rotated } = spec;
  const gate = outputGate ? ", output gates" : "";
  const rope = rotated === undefined ? "" : rotated === 0 ? ", no RoPE" : `, RoPE of ${rotated} channels`;
  const kv = ownsKv(spec) ? "" : ", with the keys and values of an earlier layer";
  return `${heads}/${kvHeads} heads of ${headDim}${gate}${rope}${kv}`;
}

/** Ends the head of a token whose layer reads the keys and values of an earlier layer. */
const EARLIER = "<";
const suffixOf = (spec: Attention): string => (ownsKv(spec) ? "" : EARLIER);
const kvOfSuffix = (suffix: string | undefined): Pick<Attention, "kv"> =>
  suffix === EARLIER ? { kv: "earlier" } : {};

/** A short count for the picture's narrow columns: 64, 1K, 4K. */
const short = (tokens: number): string =>
  tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}K` : String(tokens);

const shared = {
  keys,
  tensors,
  problem: geometryProblem,
  traits: (spec: Attention) => ({ reach: reachOf(spec), lookup: true, stateful: false }),
  kv: (spec: Attention) => ({
    // Includes the query heads, because a proxy has as many kv heads as their ratio to the kv heads allows.
    kind: `${spec.op} ${reachOf(spec)} ${formatGeometry(spec)}`,
    own: ownsKv(spec),
  }),
  state: (spec: Attention, _width: number, context: number) => ({
    kv: ownsKv(spec) ? tokenElements(spec) * Math.min(reachOf(spec), context) : 0,
    recurrent: 0,
  }),
  decode,
  prefillFlops: (spec: Attention, _width: number, length: number) =>
    pairFlops(spec) * causalPairs(spec, length),
  costKind: (spec: Attention) => spec.op + suffixOf(spec),
  quantities,
  floatStages: ["attend"],
} as const;

/**
 * Global attention. Tensors: attn_q [d, H*hd], attn_k and attn_v [d, KV*hd], attn_output [H*hd, d],
 * attn_gate [d, H], norms [hd]. With `kv: "earlier"` those of keys and values are absent.
 */
export const gqa = {
  ...shared,
  name: "gqa",
  schema: gqaSchema,
  title: "attention",
  notation: {
    form: "g",
    example: "g(16/8x64)",
    examples: [
      "g",
      "g(4/4x16)",
      "g(4/1x16n)",
      "g(2/1x64t10000)",
      "g(4/2x16o)",
      "g(2/2x16nor6t10000)",
      "g(4/2x16r0)",
      "g<",
      "g<(4/1x16n)",
      "g<(4/2x16o)",
    ],
    head: /^g(<?)$/,
    header: geometryHeader,
    parse: ([, suffix], argument, text) => ({
      op: "gqa",
      ...geometryOfToken(argument, text),
      ...kvOfSuffix(suffix),
    }),
    format: (spec) => ({ head: `g${suffixOf(spec)}`, argument: formatGeometry(spec) }),
  },
  scale: (spec, _from, to) => ({ ...spec, ...scaledHeads(spec, to) }),
  picture: {
    tone: "gqa",
    height: 26,
    legend: "G: attention over everything (<: with the keys and values of an earlier layer)",
    mark: (spec) => ({ text: `G${suffixOf(spec)}`, title: `global attention, ${headsText(spec)}` }),
  },
} as const satisfies MixerOperator<Gqa>;

/**
 * Sliding-window attention. Tensors are those of global attention; the cache holds at most `window` tokens.
 */
export const swa = {
  ...shared,
  name: "swa",
  schema: swaSchema,
  title: "sliding-window attention",
  notation: {
    form: "s<window>",
    example: "s256",
    examples: ["s1", "s5", "s4096", "s7(4/1x16or8)", "s5<"],
    head: /^s(\d+)(<?)$/,
    header: geometryHeader,
    parse: ([, window, suffix], argument, text) => ({
      op: "swa",
      ...geometryOfToken(argument, text),
      window: Number(window),
      ...kvOfSuffix(suffix),
    }),
    format: (spec) => ({ head: `s${spec.window}${suffixOf(spec)}`, argument: formatGeometry(spec) }),
  },
  // The window covers the same share of a proxy sequence as of the context. A window below 2 would not mix
  // tokens.
  scale: (spec, _from, to) => ({
    ...spec,
    ...scaledHeads(spec, to),
    window: Math.max(2, Math.round(spec.window * to.share)),
  }),
  picture: {
    tone: "swa",
    height: 21,
    legend: "attention over a window, its length",
    // Three characters have no room for the window and the sign.
    mark: (spec) => ({
      text: suffixOf(spec) || short(spec.window),
      title: `attention over a window of ${spec.window}, ${headsText(spec)}`,
    }),
  },
} as const satisfies MixerOperator<Swa>;

/**
 * Returns the spec if it is attention's, else null. Formats that store attention in their own way need this.
 */
export const attentionOf = (spec: { readonly op: string }): Attention | null =>
  spec.op === gqa.name || spec.op === swa.name ? (spec as Attention) : null;
