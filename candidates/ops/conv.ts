// Gated short convolution: (B, C, h) = in_proj(x); z = causal depthwise conv of width k over B*h; out_proj(C*z).
// Source: LFM2 technical report, arXiv 2511.23404, section 2.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import { gatedCosts, gatedTensors, perChannel } from "./gated-filter.ts";
import type { MixerOperator } from "./operator.ts";

const schema = z.strictObject({
  op: z.literal("conv"),
  /** Taps of the depthwise convolution, the newest token included. */
  kernel: z.int().min(2).max(8),
});

/** The spec of a short convolution: `{ op: "conv", kernel }`. */
export type Conv = Readonly<z.infer<typeof schema>>;

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
  tensors: (spec, width, prefix) =>
    gatedTensors(prefix, width, [perChannel(`${prefix}.shortconv.conv.weight`, spec.kernel, width)]),
  problem: () => null,
  traits: (spec) => ({ reach: spec.kernel, lookup: false, stateful: true }),
  // The state is the last k - 1 inputs. The kernel shifts them by one, so a token writes as much as it reads.
  ...gatedCosts<Conv>({ state: (spec) => spec.kernel - 1, flops: (spec) => 2 * spec.kernel }),
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
