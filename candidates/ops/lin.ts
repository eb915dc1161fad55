// Linear attention: each head sums f(k) v^T and f(k) over all tokens, with f(x) = elu(x) + 1, and its query reads
// the quotient. Source: Katharopoulos, Vyas, Pappas and Fleuret 2020, arXiv 2006.16236.
import { z } from "zod";
import { counted } from "../words.ts";
import { headDim, heads, matchHeads, scaledHeads } from "./heads.ts";
import type { MixerOperator } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const schema = z.strictObject({
  op: z.literal("lin"),
  heads,
  /** Channels of a head's queries, keys and values. */
  headDim,
});

/** The spec of linear attention. */
export type Lin = Readonly<z.infer<typeof schema>>;

const widthOf = (spec: Lin): number => spec.heads * spec.headDim;

/**
 * The state of one sequence: a matrix for each head, and the sum of its keys. FLOPs per token: for each element
 * of a matrix its update and the product with the query; for each element of a sum also.
 */
const costs = recurrentCosts((spec: Lin) => ({
  elements: widthOf(spec) * (spec.headDim + 1),
  flops: widthOf(spec) * (4 * spec.headDim + 3),
}));

/** Linear attention. Tensors: attn_qkv [d, 3 heads * headDim] and attn_output [heads * headDim, d]. */
export const lin = {
  ...costs,
  name: "lin",
  schema,
  title: "linear attention",
  notation: {
    form: "lin",
    example: "lin(16x64)",
    examples: ["lin(2x16)", "lin(3x10)", "lin(1x33)"],
    head: /^lin$/,
    parse: (_head, argument, text) => {
      const found = matchHeads(/^(\d+)x(\d+)$/, argument, text, "heads x head size, e.g. lin(16x64)");
      return { op: "lin", heads: Number(found[1]), headDim: Number(found[2]) };
    },
    format: (spec) => ({ head: "lin", argument: `${spec.heads}x${spec.headDim}` }),
  },
  keys: [countKey<Lin>("ssm.inner_size", widthOf), countKey<Lin>("ssm.time_step_rank", (spec) => spec.heads)],
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.attn_qkv.weight`, shape: [width, 3 * widthOf(spec)], role: "matrix" },
    { name: `${prefix}.attn_output.weight`, shape: [widthOf(spec), width], role: "matrix" },
  ],
  problem: () => null,
  traits: () => recurrentTraits,
  costKind: (spec) => `lin ${spec.headDim}`,
  scale: (spec, from, to) => {
    const scaled = scaledHeads(spec.heads, spec.headDim, from, to);
    return { ...spec, heads: scaled.heads, headDim: scaled.dim };
  },
  picture: {
    tone: "swa",
    height: 20,
    legend: "L: linear attention",
    mark: (spec) => ({
      text: "L",
      title: `linear attention, ${counted(spec.heads, "head")} of ${spec.headDim}`,
    }),
  },
  quantities: [],
  floatStages: ["lin-keys", "lin-sums", "lin-state", "lin-divide"],
} as const satisfies MixerOperator<Lin>;
