// Static costs of a layout: exact counts of parameters, FLOPs, bytes. Nothing here is measured; profilers/ measure.
import type { Layout } from "./layout.ts";
import { elements, type TensorSpec } from "./ops/operator.ts";
import { operatorOf } from "./ops/operator-registry.ts";
import { bytesOf, type Quantization, tensorType } from "./quantization.ts";

/** Every tensor of a layout in file order; the token table is also the output matrix (tied). */
export function tensorsOf(layout: Layout, finalNorm = "output_norm.weight"): readonly TensorSpec[] {
  const { width } = layout;
  const tensors: TensorSpec[] = [
    { name: "token_embd.weight", shape: [width, layout.vocab], role: "embedding" },
    { name: finalNorm, shape: [width], role: "vector" },
  ];
  for (const [index, layer] of layout.layers.entries()) {
    const prefix = `blk.${index}`;
    tensors.push({ name: `${prefix}.attn_norm.weight`, shape: [width], role: "vector" });
    tensors.push(...operatorOf(layer.mixer).tensors(layer.mixer, width, prefix));
    tensors.push({ name: `${prefix}.ffn_norm.weight`, shape: [width], role: "vector" });
    tensors.push(...operatorOf(layer.ffn).tensors(layer.ffn, width, prefix));
  }
  return tensors;
}

/** Parameter count: V*d + d + per layer norms, mixer and FFN (arXiv 2511.23404; exact on its dense releases). */
export function parameterCount(layout: Layout): number {
  return tensorsOf(layout).reduce((sum, tensor) => sum + elements(tensor.shape), 0);
}

export interface StaticCost {
  readonly parameters: number;
  /** FLOPs of one decoded token after `context` tokens (a multiply-add counts two). */
  readonly decodeFlops: number;
  /** FLOPs of a prefill of `context` tokens, the output matrix once. */
  readonly prefillFlops: number;
  /** Bytes read for one decoded token after `context` tokens: all weights, the KV cache, recurrent state. */
  readonly decodeBytes: number;
  /** KV cache and recurrent state of one sequence of `context` tokens. */
  readonly kvBytes: number;
  readonly stateBytes: number;
  /** Bytes of all weights in their quantised types. */
  readonly weightBytes: number;
  /** Weights and state together: what must stay resident. */
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

/** Static cost of one sequence at batch 1. Bytes and FLOPs, no units hidden. */
export function staticCost(layout: Layout, options: CostOptions): StaticCost {
  const { context, quantization, kvElementBytes = 2 } = options;
  const tensors = tensorsOf(layout);
  const parameters = tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0);
  const weightBytes = tensors.reduce((sum, t) => sum + bytesOf(t.shape, tensorType(t, quantization)), 0);
  const matrixElements = tensors
    .filter((tensor) => tensor.role === "matrix")
    .reduce((sum, tensor) => sum + elements(tensor.shape), 0);
  const outputElements = layout.vocab * layout.width;

  let decodeFlops = 2 * (matrixElements + outputElements);
  let prefillFlops = 2 * (matrixElements * context + outputElements);
  let kv = 0;
  let kvReads = 0;
  let recurrent = 0;
  for (const { mixer } of layout.layers) {
    const operator = operatorOf(mixer);
    const decode = operator.decode(mixer, layout.width, context);
    const state = operator.stateElements(mixer, layout.width, context);
    decodeFlops += decode.stateFlops;
    prefillFlops += operator.prefillStateFlops(mixer, layout.width, context);
    kv += state.kv;
    recurrent += state.recurrent;
    kvReads += state.kv > 0 ? decode.stateReads : 0;
  }
  const kvBytes = kv * kvElementBytes;
  const stateBytes = recurrent * RECURRENT_BYTES;
  return {
    parameters,
    decodeFlops,
    prefillFlops,
    decodeBytes: weightBytes + kvReads * kvElementBytes + stateBytes,
    kvBytes,
    stateBytes,
    weightBytes,
    residentBytes: weightBytes + kvBytes + stateBytes,
  };
}
