// Gated short convolution: (B, C, h) = in_proj(x); z = causal depthwise conv of width k over B*h; out_proj(C*z).
// Source: LFM2 technical report, arXiv 2511.23404, section 2.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { MixerOperator } from "./operator.ts";

const schema = z.strictObject({
  op: z.literal("conv"),
  /** Taps of the depthwise convolution, the newest token included. */
  kernel: z.int().min(2).max(8),
});

/** The spec of a short convolution: `{ op: "conv", kernel }`. */
export type Conv = Readonly<z.infer<typeof schema>>;

/** Elements of the last k-1 inputs, each of `width` channels. */
const pastInputs = (spec: Conv, width: number): number => (spec.kernel - 1) * width;

/** FLOPs per token: k taps and both gates, for each channel. */
const tokenFlops = (spec: Conv, width: number): number => 2 * spec.kernel * width + 2 * width;

/**
 * The gated short convolution of LFM2 (arXiv 2511.23404). Tensors: in_proj [d, 3d], conv [k, d], out_proj [d,
 * d].
 */
export const conv = {
  name: "conv",
  schema,
  title: "convolution",
  notation: {
    form: "c<k>",
    example: "c3",
    examples: ["c2", "c3", "c8"],
    head: /^c(\d+)$/,
    parse: ([, kernel], argument, text) => {
      if (argument !== undefined)
        throw new InvalidInputError("bad-notation", `"${text}": a convolution has no attention geometry`);
      return { op: "conv", kernel: Number(kernel) };
    },
    format: (spec) => ({ head: `c${spec.kernel}` }),
  },
  keys: [{ key: "shortconv.l_cache", type: "i32", otherwise: 0, of: (spec) => spec.kernel }],
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.shortconv.in_proj.weight`, shape: [width, 3 * width], role: "matrix" },
    { name: `${prefix}.shortconv.conv.weight`, shape: [spec.kernel, width], role: "vector" },
    { name: `${prefix}.shortconv.out_proj.weight`, shape: [width, width], role: "matrix" },
  ],
  problem: () => null,
  traits: (spec) => ({ reach: spec.kernel, lookup: false, stateful: true }),
  state: (spec, width) => ({ kv: 0, recurrent: pastInputs(spec, width) }),
  decode: (spec, width) => {
    // The kernel shifts all k-1 inputs by one, so a token writes as much as it reads.
    const moved = { kv: 0, recurrent: pastInputs(spec, width) };
    return { flops: tokenFlops(spec, width), reads: moved, writes: moved };
  },
  prefillFlops: (spec, width, length) => length * tokenFlops(spec, width),
  // Taps take a share of the time, so the time per weight element differs between kernel sizes.
  costKind: (spec) => `c${spec.kernel}`,
  scale: (spec) => spec,
  picture: {
    tone: "conv",
    height: 16,
    legend: "convolution, number of taps",
    mark: (spec) => ({ text: String(spec.kernel), title: `convolution, ${spec.kernel} taps` }),
  },
  quantities: [{ name: "mean taps of convolutions", over: "mean", of: (spec) => spec.kernel }],
  floatStages: ["conv"],
} as const satisfies MixerOperator<Conv>;

/**
 * Returns the spec if it is a convolution's, else null. Formats that store convolutions in their own way need
 * this.
 */
export const convOf = (spec: { readonly op: string }): Conv | null =>
  spec.op === conv.name ? (spec as Conv) : null;
