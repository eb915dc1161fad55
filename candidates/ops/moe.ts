// A mixture of experts (MoE) as in LFM2-8B-A1B: a router chooses `used` of `experts` SwiGLU FFNs for each
// token. Scores are sigmoids; a bias per expert changes the choice, but not the weights of the chosen experts.
// Training balances the load by that bias (arXiv 2408.15664). Sources: transformers modeling_lfm2_moe.py,
// llama.cpp src/models/lfm2moe.cpp.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { FfnOperator } from "./operator.ts";
import { proxyWidth } from "./swiglu.ts";

const schema = z.strictObject({
  op: z.literal("moe"),
  experts: z.int().min(1).max(1024),
  /** Experts for one token, often called k. */
  used: z.int().min(1).max(1024),
  width: z.int().min(1).max(1_048_576),
});

/** The spec of a mixture of `experts` SwiGLU FFNs of `width` channels, `used` of them for each token. */
export type Moe = Readonly<z.infer<typeof schema>>;

const ARGUMENT = /^(\d+)\/(\d+)x(\d+)$/;
/** A proxy sees too few tokens to train many experts. */
const PROXY = { experts: 8, used: 2 };

/** The mixture of experts: router [d, E] in F32, its bias [E], gate and up [d, F, E], down [F, d, E]. */
export const moe = {
  name: "moe",
  schema,
  title: "mixture of experts",
  notation: {
    form: "moe(<experts>/<used>x<width>)",
    example: "moe(32/4x1792)",
    examples: ["moe(5/2x33)", "moe(8/3x64)", "moe(2/2x32)"],
    head: /^moe$/,
    parse: (_head, argument = "", text) => {
      const match = ARGUMENT.exec(argument);
      if (!match)
        throw new InvalidInputError(
          "bad-notation",
          `"${text}": write experts/experts for each token x width, e.g. moe(32/4x1792)`,
        );
      const [experts, used, width] = match.slice(1).map(Number) as [number, number, number];
      return { op: "moe", experts, used, width };
    },
    format: ({ experts, used, width }) => ({ head: "moe", argument: `${experts}/${used}x${width}` }),
  },
  keys: [
    { key: "expert_count", type: "i32", otherwise: 0, of: (spec) => spec.experts },
    { key: "expert_used_count", type: "i32", otherwise: 0, of: (spec) => spec.used },
    { key: "expert_feed_forward_length", type: "i32", otherwise: 0, of: (spec) => spec.width },
  ],
  tensors: (spec, width, prefix) => {
    const experts = { stored: spec.experts, used: spec.used };
    const stack = (part: string, from: number, to: number) =>
      ({
        name: `${prefix}.ffn_${part}_exps.weight`,
        shape: [from, to, spec.experts],
        role: "matrix",
        experts,
      }) as const;
    return [
      { name: `${prefix}.ffn_gate_inp.weight`, shape: [width, spec.experts], role: "float" },
      { name: `${prefix}.exp_probs_b.bias`, shape: [spec.experts], role: "vector" },
      stack("gate", width, spec.width),
      stack("up", width, spec.width),
      stack("down", spec.width, width),
    ];
  },
  problem: ({ experts, used }) =>
    used <= experts ? null : `a token cannot use ${used} of ${experts} experts`,
  scale: (spec, from, to) => ({
    ...spec,
    experts: Math.min(PROXY.experts, spec.experts),
    used: Math.min(PROXY.used, spec.used),
    width: proxyWidth(spec.width, from, to),
  }),
  width: (spec) => spec.used * spec.width,
} as const satisfies FfnOperator<Moe>;

/** Returns the spec if it is a mixture of experts, or null. */
export const moeOf = (ffn: { readonly op: string }): Moe | null =>
  ffn.op === moe.name ? (ffn as Moe) : null;
