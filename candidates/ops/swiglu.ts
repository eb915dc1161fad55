// SwiGLU feed-forward: down(silu(gate(x)) * up(x)). Source: Shazeer 2020, arXiv 2002.05202.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { FfnOperator, ProxySize } from "./operator.ts";

const schema = z.strictObject({
  op: z.literal("swiglu"),
  width: z.int().min(1).max(1_048_576),
});

/**
 * The spec of a SwiGLU FFN: `{ op: "swiglu", width }`, where width is the number of channels between its
 * matrices.
 */
export type Swiglu = Readonly<z.infer<typeof schema>>;

/** Proxy widths are multiples of this number, the vector width of the trainer's kernels. */
const PROXY_MULTIPLE = 8;

/** Returns the FFN width of a proxy, which keeps its ratio to the model width. */
export function proxyWidth(width: number, from: number, to: ProxySize): number {
  const exact = (width / from) * to.width;
  return Math.max(PROXY_MULTIPLE, Math.round(exact / PROXY_MULTIPLE) * PROXY_MULTIPLE);
}

/** The SwiGLU FFN (arXiv 2002.05202): tensors gate [d, F], up [d, F], down [F, d]. */
export const swiglu = {
  name: "swiglu",
  schema,
  title: "SwiGLU",
  notation: {
    form: "<width>",
    example: "2048",
    examples: ["33", "256"],
    head: /^(?!0+$)(\d+)$/,
    parse: ([, width], argument, text) => {
      if (argument !== undefined)
        throw new InvalidInputError("bad-notation", `"${text}": an FFN width takes no parentheses`);
      return { op: "swiglu", width: Number(width) };
    },
    format: (spec) => ({ head: String(spec.width) }),
  },
  keys: [{ key: "feed_forward_length", type: "i32", otherwise: 0, of: (spec) => spec.width }],
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.ffn_gate.weight`, shape: [width, spec.width], role: "matrix" },
    { name: `${prefix}.ffn_up.weight`, shape: [width, spec.width], role: "matrix" },
    { name: `${prefix}.ffn_down.weight`, shape: [spec.width, width], role: "matrix" },
  ],
  problem: () => null,
  scale: (spec, from, to) => ({ ...spec, width: proxyWidth(spec.width, from, to) }),
  width: (spec) => spec.width,
} as const satisfies FfnOperator<Swiglu>;

/** Returns the spec if it is a SwiGLU FFN, or null. */
export const swigluOf = (ffn: { readonly op: string }): Swiglu | null =>
  ffn.op === swiglu.name ? (ffn as Swiglu) : null;
