// SwiGLU feed-forward: down(silu(gate(x)) * up(x)). Source: Shazeer 2020, arXiv 2002.05202.
import { z } from "zod";
import type { Operator } from "./operator.ts";

export const swigluSchema = z.strictObject({
  op: z.literal("swiglu"),
  width: z.int().min(1).max(1_048_576),
});
export type Swiglu = Readonly<z.infer<typeof swigluSchema>>;

export const swiglu: Operator<Swiglu> = {
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.ffn_gate.weight`, shape: [width, spec.width], role: "matrix" },
    { name: `${prefix}.ffn_up.weight`, shape: [width, spec.width], role: "matrix" },
    { name: `${prefix}.ffn_down.weight`, shape: [spec.width, width], role: "matrix" },
  ],
  stateElements: () => ({ kv: 0, recurrent: 0 }),
  decode: () => ({ stateFlops: 0, stateReads: 0 }),
  prefillStateFlops: () => 0,
  problem: () => null,
};
