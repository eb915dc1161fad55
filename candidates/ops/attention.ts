// Grouped-query attention, global (gqa) or over a sliding window (swa): RoPE, optional per-head RMS QK-norm.
// Source: LFM2 technical report, arXiv 2511.23404, section 2; windows as in Mistral 7B, arXiv 2310.06825.

import { z } from "zod";
import { counted } from "../words.ts";
import type { Operator } from "./operator.ts";

export const DEFAULT_ROPE_THETA = 1_000_000;

const geometry = {
  heads: z.int().min(1).max(256),
  kvHeads: z.int().min(1).max(256),
  headDim: z.int().min(8).max(512).multipleOf(2),
  qkNorm: z.boolean().default(true),
  ropeTheta: z.number().min(1).max(1e9).default(DEFAULT_ROPE_THETA),
};

export const gqaSchema = z.strictObject({ op: z.literal("gqa"), ...geometry });
export const swaSchema = z.strictObject({
  op: z.literal("swa"),
  ...geometry,
  /** The query at position p sees keys p-window+1 .. p. */
  window: z.int().min(1).max(1_048_576),
});
export type Gqa = Readonly<z.infer<typeof gqaSchema>>;
export type Swa = Readonly<z.infer<typeof swaSchema>>;
export type Attention = Gqa | Swa;

const visible = (spec: Attention, context: number): number =>
  spec.op === "swa" ? Math.min(spec.window, context) : context;

/** Pairs (query, visible key) in a causal prefill of `length` tokens. */
function causalPairs(spec: Attention, length: number): number {
  const window = visible(spec, length);
  return (window * (window + 1)) / 2 + (length - window) * window;
}

export const attention: Operator<Attention> = {
  tensors: (spec, width, prefix) => {
    const queries = spec.heads * spec.headDim;
    const keys = spec.kvHeads * spec.headDim;
    const norms = spec.qkNorm
      ? ([
          { name: `${prefix}.attn_q_norm.weight`, shape: [spec.headDim], role: "vector" },
          { name: `${prefix}.attn_k_norm.weight`, shape: [spec.headDim], role: "vector" },
        ] as const)
      : [];
    return [
      { name: `${prefix}.attn_q.weight`, shape: [width, queries], role: "matrix" },
      { name: `${prefix}.attn_k.weight`, shape: [width, keys], role: "matrix" },
      { name: `${prefix}.attn_v.weight`, shape: [width, keys], role: "matrix" },
      { name: `${prefix}.attn_output.weight`, shape: [queries, width], role: "matrix" },
      ...norms,
    ];
  },
  stateElements: (spec, _width, context) => ({
    kv: 2 * spec.kvHeads * spec.headDim * visible(spec, context),
    recurrent: 0,
  }),
  decode: (spec, _width, context) => ({
    stateFlops: 4 * spec.heads * spec.headDim * visible(spec, context),
    stateReads: 2 * spec.kvHeads * spec.headDim * visible(spec, context),
  }),
  prefillStateFlops: (spec, _width, length) => 4 * spec.heads * spec.headDim * causalPairs(spec, length),
  problem: (spec) =>
    spec.heads % spec.kvHeads === 0
      ? null
      : `${counted(spec.heads, "query head")} cannot be grouped over ${counted(spec.kvHeads, "kv head")} (heads must be a multiple of kv heads)`,
};
