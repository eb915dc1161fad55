// Static costs of a layout: exact counts of parameters, FLOPs and bytes. Measurements are the business of
// profilers/.
import { type Layer, type Layout, normsOf } from "./layout.ts";
import { countActive, countElements, type StateElements, type TensorSpec } from "./ops/operator.ts";
import { ffnOperatorOf, operatorOf } from "./ops/operator-registry.ts";
import { bytesOf, type Quantization, tensorType } from "./quantization.ts";

/** Names of norms' tensors that architectures differ in. */
export interface NormNames {
  readonly finalNorm?: string;
  /** Without the prefix of a layer. */
  readonly ffnNorm?: string;
}

/** Returns the tensors that one application of a layer reads, in file order. */
function blockTensors(
  layer: Layer,
  width: number,
  prefix: string,
  { ffnNorm = "ffn_norm.weight" }: NormNames = {},
): readonly TensorSpec[] {
  const norm = (name: string): TensorSpec => ({ name: `${prefix}.${name}`, shape: [width], role: "vector" });
  const after = (name: string): readonly TensorSpec[] =>
    normsOf(layer) === "sandwich" ? [norm(`${name}.weight`)] : [];
  const ffn = ffnOperatorOf(layer.ffn).tensors(layer.ffn, width, prefix);
  return [
    norm("attn_norm.weight"),
    ...operatorOf(layer.mixer).tensors(layer.mixer, width, prefix),
    ...after("post_attention_norm"),
    ...(ffn.length === 0 ? [] : [norm(ffnNorm), ...ffn, ...after("post_ffw_norm")]),
  ];
}

/**
 * Returns every tensor that a layout stores, in file order. The token table is also the output matrix (tied
 * embeddings). Layers with the weights of another have none.
 */
export function tensorsOf(layout: Layout, names: NormNames = {}): readonly TensorSpec[] {
  const { width } = layout;
  return [
    { name: "token_embd.weight", shape: [width, layout.vocab], role: "embedding" },
    { name: names.finalNorm ?? "output_norm.weight", shape: [width], role: "vector" },
    ...layout.layers.flatMap((layer, index) =>
      layer.weightsOf === undefined ? blockTensors(layer, width, `blk.${index}`, names) : [],
    ),
  ];
}

/**
 * Returns the tensors that a token reads: those that the layout stores, and shared ones once more for each
 * further layer that applies them.
 */
function appliedTensors(layout: Layout): readonly TensorSpec[] {
  const again = layout.layers.flatMap((layer) =>
    layer.weightsOf === undefined ? [] : blockTensors(layer, layout.width, `blk.${layer.weightsOf}`),
  );
  return [...tensorsOf(layout), ...again];
}

/**
 * Returns the parameter count: V*d + d, plus norms, mixer and FFN of each layer. The formula reproduces the
 * counts of the LFM2 releases (arXiv 2511.23404) exactly. Shared weights count once.
 */
export const parameterCount = (layout: Layout): number => countElements(tensorsOf(layout));

/** Parameters of a layout, counted in three ways. They differ for mixtures of experts and shared weights. */
export interface ParameterCounts {
  /** As if every layer had weights of its own. */
  readonly total: number;
  /** Parameters in a file. */
  readonly stored: number;
  /** Parameters that one token uses. Weights that it uses several times count once. */
  readonly active: number;
}

/** Returns the parameter counts of a layout. */
export function parameterCounts(layout: Layout): ParameterCounts {
  const tensors = tensorsOf(layout);
  return {
    total: countElements(appliedTensors(layout)),
    stored: countElements(tensors),
    active: countActive(tensors),
  };
}

/**
 * Returns the expected bytes of weights read in one decode step of `batch` sequences, shared weights once for
 * each layer. With uniform routing, a step uses E (1 - (1 - k/E)^batch) of E experts, of which a token uses k.
 */
export const weightBytesRead = (layout: Layout, quantization: Quantization, batch: number): number =>
  appliedTensors(layout).reduce((sum, tensor) => {
    const bytes = bytesOf(tensor.shape, tensorType(tensor, quantization));
    const { stored, used } = tensor.experts ?? { stored: 1, used: 1 };
    return sum + (batch === 1 ? (bytes / stored) * used : bytes * (1 - (1 - used / stored) ** batch));
  }, 0);

export interface StaticCost {
  readonly parameters: number;
  /** FLOPs of one decoded token after `context` tokens. A multiply-add counts as two. */
  readonly decodeFlops: number;
  /** FLOPs of a prefill of `context` tokens. The output matrix counts once, for the last token. */
  readonly prefillFlops: number;
  /**
   * Bytes read for one decoded token after `context` tokens: weights (of experts only the used ones), the KV
   * cache, recurrent state. Shared weights are read by each layer, as if no cache held them.
   */
  readonly decodeReadBytes: number;
  /** Bytes read and written for that token. It writes its keys and values, and all recurrent state again. */
  readonly decodeBytes: number;
  /** Bytes of the KV cache of one sequence of `context` tokens. `stateBytes` adds its recurrent state. */
  readonly kvBytes: number;
  readonly stateBytes: number;
  /** Bytes of all weights in their quantised types. Shared weights count once. */
  readonly weightBytes: number;
  /** Bytes that must stay resident: weights and state together. */
  readonly residentBytes: number;
}

export interface CostOptions {
  readonly context: number;
  readonly quantization: Quantization;
  /** Bytes of one KV cache element: 2 for f16, 34/32 for q8_0. */
  readonly kvElementBytes?: number;
}

/** Bytes of one element of recurrent state (kept in f32). */
const RECURRENT_BYTES = 4;

/** Returns the static cost of one sequence (batch 1), in bytes and FLOPs. */
export function staticCost(layout: Layout, options: CostOptions): StaticCost {
  const { context, quantization, kvElementBytes = 2 } = options;
  const tensors = tensorsOf(layout);
  const parameters = countElements(tensors);
  const weightBytes = tensors.reduce((sum, t) => sum + bytesOf(t.shape, tensorType(t, quantization)), 0);
  const matrixElements = countActive(
    appliedTensors(layout).filter(({ role }) => role === "matrix" || role === "float"),
  );
  const outputElements = layout.vocab * layout.width;

  let decodeFlops = 2 * (matrixElements + outputElements);
  let prefillFlops = 2 * (matrixElements * context + outputElements);
  let [kv, recurrent] = [0, 0];
  let [stateReads, stateWrites] = [0, 0];
  const bytesOfState = (state: StateElements): number =>
    state.kv * kvElementBytes + state.recurrent * RECURRENT_BYTES;
  for (const { mixer } of layout.layers) {
    const operator = operatorOf(mixer);
    const decode = operator.decode(mixer, layout.width, context);
    const state = operator.state(mixer, layout.width, context);
    decodeFlops += decode.flops;
    prefillFlops += operator.prefillFlops(mixer, layout.width, context);
    kv += state.kv;
    recurrent += state.recurrent;
    stateReads += bytesOfState(decode.reads);
    stateWrites += bytesOfState(decode.writes);
  }
  const decodeReadBytes = weightBytesRead(layout, quantization, 1) + stateReads;
  const kvBytes = kv * kvElementBytes;
  const stateBytes = recurrent * RECURRENT_BYTES;
  return {
    parameters,
    decodeFlops,
    prefillFlops,
    decodeReadBytes,
    decodeBytes: decodeReadBytes + stateWrites,
    kvBytes,
    stateBytes,
    weightBytes,
    residentBytes: weightBytes + kvBytes + stateBytes,
  };
}

/**
 * Returns the fewest bytes that one decode step of `batch` sequences can read from memory after `context`
 * tokens: weights once, even if layers share them, of experts only those of one token, because all sequences may
 * use the same; and the state of each sequence once, because a cache may serve further layers that read it.
 */
export function leastBytesRead(layout: Layout, options: CostOptions & { readonly batch: number }): number {
  const weights = tensorsOf(layout).reduce((sum, tensor) => {
    const { stored, used } = tensor.experts ?? { stored: 1, used: 1 };
    return sum + (bytesOf(tensor.shape, tensorType(tensor, options.quantization)) / stored) * used;
  }, 0);
  const { kvBytes, stateBytes } = staticCost(layout, options);
  return weights + options.batch * (kvBytes + stateBytes);
}
