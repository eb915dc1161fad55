// Gated linear attention: linear attention whose state decays by a gate for each key channel, with an output
// gate. Source: Yang, Wang, Shen, Panda and Kim 2023, arXiv 2312.06635.
import { z } from "zod";
import { counted } from "../words.ts";
import { headDim, heads, matchHeads, numberOr, scaledDim, scaledHeads } from "./heads.ts";
import type { MixerOperator } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const schema = z.strictObject({
  op: z.literal("gla"),
  heads,
  /** Channels of a head's queries and keys. */
  keyDim: headDim,
  /** Channels of a head's values. */
  valueDim: headDim,
});

/** The spec of gated linear attention. */
export type Gla = Readonly<z.infer<typeof schema>>;

/** Width between the two matrices of the decays, as in the paper. */
const DECAY_RANK = 16;

const keyWidth = (spec: Gla): number => spec.heads * spec.keyDim;
const valueWidth = (spec: Gla): number => spec.heads * spec.valueDim;

/** FLOPs per token: for each element of the state its decay, the update and the product with the query. */
const costs = recurrentCosts((spec: Gla) => {
  const elements = keyWidth(spec) * spec.valueDim;
  return { elements, flops: 5 * elements };
});

/**
 * Gated linear attention. With K = heads * keyDim and V = heads * valueDim, its tensors are: attn_qkv [d, 2K+V],
 * attn_gate [d, V], ssm_f_a [d, 16], ssm_f_b [16, K] with bias, ssm_norm [valueDim], ssm_out [V, d].
 */
export const gla = {
  ...costs,
  name: "gla",
  schema,
  title: "gated linear attention",
  notation: {
    form: "gla",
    example: "gla(4x128/256)",
    examples: ["gla(2x16)", "gla(3x10/24)", "gla(1x33/8)"],
    head: /^gla$/,
    parse: (_head, argument, text) => {
      const form = "heads x size of keys/size of values, e.g. gla(4x128/256) or gla(8x128)";
      const found = matchHeads(/^(\d+)x(\d+)(?:\/(\d+))?$/, argument, text, form);
      const keyDim = Number(found[2]);
      return { op: "gla", heads: Number(found[1]), keyDim, valueDim: numberOr(found[3], keyDim) };
    },
    format: (spec) => {
      const values = spec.valueDim === spec.keyDim ? "" : `/${spec.valueDim}`;
      return { head: "gla", argument: `${spec.heads}x${spec.keyDim}${values}` };
    },
  },
  keys: [
    countKey<Gla>("ssm.inner_size", valueWidth),
    countKey<Gla>("ssm.time_step_rank", (spec) => spec.heads),
    countKey<Gla>("ssm.state_size", (spec) => spec.keyDim),
  ],
  tensors: (spec, width, prefix) => [
    {
      name: `${prefix}.attn_qkv.weight`,
      shape: [width, 2 * keyWidth(spec) + valueWidth(spec)],
      role: "matrix",
    },
    { name: `${prefix}.attn_gate.weight`, shape: [width, valueWidth(spec)], role: "matrix" },
    { name: `${prefix}.ssm_f_a.weight`, shape: [width, DECAY_RANK], role: "matrix" },
    { name: `${prefix}.ssm_f_b.weight`, shape: [DECAY_RANK, keyWidth(spec)], role: "matrix" },
    { name: `${prefix}.ssm_f_b.bias`, shape: [keyWidth(spec)], role: "vector" },
    { name: `${prefix}.ssm_norm.weight`, shape: [spec.valueDim], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [valueWidth(spec), width], role: "matrix" },
  ],
  problem: () => null,
  traits: () => recurrentTraits,
  costKind: (spec) => `gla ${spec.keyDim}x${spec.valueDim}`,
  scale: (spec, from, to) => {
    const values = scaledHeads(spec.heads, spec.valueDim, from, to);
    return {
      ...spec,
      heads: values.heads,
      keyDim: scaledDim(spec.keyDim, from, to),
      valueDim: values.dim,
    };
  },
  picture: {
    tone: "swa",
    height: 22,
    legend: "GL: gated linear attention",
    mark: (spec) => ({
      text: "GL",
      title: `gated linear attention, ${counted(spec.heads, "head")} of ${spec.keyDim} x ${spec.valueDim}`,
    }),
  },
  quantities: [],
  floatStages: ["gla-keys", "gla-state", "gla-gate"],
} as const satisfies MixerOperator<Gla>;
