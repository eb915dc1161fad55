// RTF: a rational transfer function in each channel, i.e. a recursive filter of order N.
// Source: Parnichkun et al., "State-Free Inference of State-Space Models: The Transfer Function Approach", arXiv 2405.06147.
import { z } from "zod";
import { perChannel, recursiveFilter } from "./gated-filter.ts";

/** RTF in the gated block. Tensors: numerator b, denominator a, its slack (see kernels/README.md) and h0. */
export const rtf = recursiveFilter({
  name: "rtf",
  title: "rational filter",
  state: z.int().min(1).max(256),
  examples: ["rtf(16)", "rtf(1)", "rtf(33)"],
  tensors: (state, width, prefix) => [
    perChannel(`${prefix}.a`, state, width),
    perChannel(`${prefix}.b`, state, width),
    perChannel(`${prefix}.slack`, 1, width),
    perChannel(`${prefix}.h0`, 1, width),
  ],
  flops: (state) => 4 * state + 2,
  picture: { text: "RTF", height: 14 },
});
