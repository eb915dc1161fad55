// Gated short convolution: (B, C, h) = in_proj(x); z = causal depthwise conv of width k over B*h; out_proj(C*z).
// Source: LFM2 technical report, arXiv 2511.23404, section 2.
import { z } from "zod";
import type { Operator } from "./operator.ts";

export const convSchema = z.strictObject({
  op: z.literal("conv"),
  /** Taps of the depthwise convolution, the newest token included. */
  kernel: z.int().min(2).max(8),
});
export type Conv = Readonly<z.infer<typeof convSchema>>;

export const conv: Operator<Conv> = {
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.shortconv.in_proj.weight`, shape: [width, 3 * width], role: "matrix" },
    { name: `${prefix}.shortconv.conv.weight`, shape: [spec.kernel, width], role: "vector" },
    { name: `${prefix}.shortconv.out_proj.weight`, shape: [width, width], role: "matrix" },
  ],
  stateElements: (spec, width) => ({ kv: 0, recurrent: (spec.kernel - 1) * width }),
  decode: (spec, width) => ({
    stateFlops: 2 * spec.kernel * width + 2 * width,
    stateReads: (spec.kernel - 1) * width,
  }),
  prefillStateFlops: (spec, width, length) => length * (2 * spec.kernel * width + 2 * width),
  problem: () => null,
};
