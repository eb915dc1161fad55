// Number formats of GGUF tensors: block sizes, bytes, and the type of each tensor under a quantization.
// Source: the GGUF specification (ggml docs/gguf.md) and the mix that llama-quantize writes for Q4_0.
import { elements, type TensorSpec } from "./ops/operator.ts";

export const quantizations = ["q4_0", "q8_0", "f16", "f32"] as const;
export type Quantization = (typeof quantizations)[number];

/** ggml type ids with elements and bytes of one block. */
export const tensorTypes = {
  f32: { id: 0, block: 1, bytes: 4 },
  f16: { id: 1, block: 1, bytes: 2 },
  q4_0: { id: 2, block: 32, bytes: 18 },
  q8_0: { id: 8, block: 32, bytes: 34 },
  q6_k: { id: 14, block: 256, bytes: 210 },
} as const;
export type TensorType = keyof typeof tensorTypes;

const fits = (tensor: TensorSpec, type: TensorType): boolean =>
  tensor.shape[0]! % tensorTypes[type].block === 0;

/**
 * Returns the type that a tensor is stored in. Norms, taps and routers stay F32. Under q4_0 the token table is Q6_K
 * (Q8_0 where the width is no multiple of 256). A matrix whose rows do not divide into blocks stays F16.
 */
export function tensorType(tensor: TensorSpec, quantization: Quantization): TensorType {
  if (tensor.role === "vector" || tensor.role === "float" || quantization === "f32") return "f32";
  const wanted: readonly TensorType[] =
    quantization === "q4_0" && tensor.role === "embedding" ? ["q6_k", "q8_0"] : [quantization];
  return wanted.find((type) => fits(tensor, type)) ?? "f16";
}

/**
 * Returns the bytes of a tensor of this shape and type. The element count must divide into the type's blocks.
 */
export function bytesOf(shape: readonly number[], type: TensorType): number {
  const { block, bytes } = tensorTypes[type];
  return (elements(shape) / block) * bytes;
}
