// S4D: a linear filter in each channel, whose state is a bank of damped oscillators (complex modes).
// Source: Gu, Gupta, Goel and Re, "On the Parameterization and Initialization of Diagonal State Space Models",
// arXiv 2206.11893.
import { z } from "zod";
import { perChannel, recursiveFilter } from "./gated-filter.ts";

/**
 * Returns the tensors of a bank of `state / 2` complex modes in each channel: `dt` (logarithm of the step),
 * rates and frequencies `a_re` and `a_im`, outputs `c_re` and `c_im`, and the skip `d`.
 */
export const modalTensors = (state: number, width: number, prefix: string) => [
  perChannel(`${prefix}.dt`, 1, width),
  ...["a_re", "a_im", "c_re", "c_im"].map((name) => perChannel(`${prefix}.${name}`, state / 2, width)),
  perChannel(`${prefix}.d`, 1, width),
];

/** S4D in the gated block. */
export const s4d = recursiveFilter({
  name: "s4d",
  title: "S4D filter",
  state: z.int().min(2).max(512).multipleOf(2),
  examples: ["s4d(64)", "s4d(2)", "s4d(6)"],
  tensors: modalTensors,
  // A mode multiplies its state by a complex number (6), adds the input (1), and is read (4).
  flops: (state) => 11 * (state / 2) + 2,
  picture: { text: "S4D", height: 18 },
});
