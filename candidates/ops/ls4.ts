// Liquid-S4: S4D whose modes also multiply their state by the input. Source: Hasani et al., "Liquid Structural
// State-Space Models", arXiv 2209.12951; the recurrence, not the authors' kernel of degree 2.
import { z } from "zod";
import { perChannel, recursiveFilter } from "./gated-filter.ts";
import { modalTensors } from "./s4d.ts";

/**
 * Liquid-S4 in the gated block. Besides the tensors of S4D it has input weights `b_re` and `b_im`. The input is
 * bounded by tanh, and the input weights by the decay of their mode, so that no sequence makes the state grow.
 */
export const ls4 = recursiveFilter({
  name: "ls4",
  title: "Liquid-S4 filter",
  state: z.int().min(2).max(512).multipleOf(2),
  examples: ["ls4(64)", "ls4(2)", "ls4(6)"],
  tensors: (state, width, prefix) => [
    ...modalTensors(state, width, prefix),
    ...["b_re", "b_im"].map((name) => perChannel(`${prefix}.${name}`, state / 2, width)),
  ],
  // As in S4D, and six for the factor of the state and one for the imaginary part of the input.
  flops: (state) => 18 * (state / 2) + 2,
  picture: { text: "LS4", height: 19 },
});
