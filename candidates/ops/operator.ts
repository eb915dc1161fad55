// What an operator must say about itself. One file an operator implements this; ops/registry.ts lists them.
// Counts are exact for the tensors listed; FLOPs count a multiply-add as two.

/** A tensor of the lowered model. `shape[0]` is the contiguous (input) dimension, as in GGUF. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** matrix: quantised as asked; vector: norms and convolution taps, kept in F32; embedding: the token table. */
  readonly role: "matrix" | "vector" | "embedding";
}

/** Sizes of one decode step at a given context length, for one layer and one sequence. */
export interface DecodeCost {
  /** FLOPs beyond the weight matrices (scores, convolution taps). */
  readonly stateFlops: number;
  /** Elements of cached state read for one token. */
  readonly stateReads: number;
}

/** A token or channel mixer: the part of a layer that a search exchanges. */
export interface Operator<Spec> {
  /** Tensors of this operator in layer `prefix` (for example `blk.3`), width = model width d. */
  tensors(spec: Spec, width: number, prefix: string): readonly TensorSpec[];
  /** Elements of per-sequence state kept for `context` tokens: KV entries, or the convolution's last k-1 inputs. */
  stateElements(
    spec: Spec,
    width: number,
    context: number,
  ): { readonly kv: number; readonly recurrent: number };
  decode(spec: Spec, width: number, context: number): DecodeCost;
  /** FLOPs beyond the weight matrices for a prefill of `length` tokens. */
  prefillStateFlops(spec: Spec, width: number, length: number): number;
  /** A reason why the operator cannot stand in a model of this width, or null. */
  problem(spec: Spec, width: number): string | null;
}

export const elements = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
