// Gated DeltaNet: linear attention whose state is corrected by the delta rule and decays by a gate. `gdn.conv`
// keeps its projections, short convolution, norm and gate, and drops the state. Source: Yang, Kautz and
// Hatamizadeh 2024, arXiv 2412.06464. Tensor names and keys are those of llama.cpp's qwen35.
import { z } from "zod";
import { counted } from "../words.ts";
import { largestDivisorUpTo } from "./geometry.ts";
import {
  DEFAULT_KERNEL,
  headDim,
  heads,
  kernel,
  kernelText,
  matchHeads,
  numberOr,
  scaledDim,
  scaledHeads,
} from "./heads.ts";
import type { MixerOperator, ProxySize } from "./operator.ts";
import { type CountKey, countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const gdnSchema = z.strictObject({
  op: z.literal("gdn"),
  /** Heads of queries and keys. Each serves valueHeads / keyHeads value heads. */
  keyHeads: heads,
  /** Heads of values. Each has a state of keyDim x valueDim. */
  valueHeads: heads,
  keyDim: headDim,
  valueDim: headDim,
  /** Taps of the depthwise convolutions, the newest token included. */
  kernel,
});
const gdnConvSchema = z.strictObject({
  op: z.literal("gdn.conv"),
  valueHeads: heads,
  valueDim: headDim,
  kernel,
});

/** The spec of Gated DeltaNet. */
export type Gdn = Readonly<z.infer<typeof gdnSchema>>;
/** The spec of Gated DeltaNet's short-convolution part. */
export type GdnConv = Readonly<z.infer<typeof gdnConvSchema>>;

const keyWidth = (spec: Gdn): number => spec.keyHeads * spec.keyDim;
const valueWidth = (spec: Gdn | GdnConv): number => spec.valueHeads * spec.valueDim;
const stateElements = (spec: Gdn): number => spec.valueHeads * spec.keyDim * spec.valueDim;
/** Channels of the convolution: queries, keys and values. */
const channels = (spec: Gdn | GdnConv): number =>
  valueWidth(spec) + (spec.op === "gdn" ? 2 * keyWidth(spec) : 0);

/**
 * The state of one sequence: the heads' states, and the last k-1 inputs of the convolution. FLOPs per token:
 * the taps, and for each element of the heads' states its decay, the product with the key, the update, and the
 * product with the query.
 */
const costs = recurrentCosts((spec: Gdn | GdnConv) => {
  const inHeads = spec.op === "gdn" ? stateElements(spec) : 0;
  return {
    elements: (spec.kernel - 1) * channels(spec) + inHeads,
    flops: 2 * spec.kernel * channels(spec) + 7 * inHeads,
  };
});

const convKeys: readonly CountKey<Gdn | GdnConv>[] = [
  countKey("ssm.conv_kernel", (spec) => spec.kernel),
  countKey("ssm.inner_size", valueWidth),
  countKey("ssm.time_step_rank", (spec) => spec.valueHeads),
];
const stateKeys: readonly CountKey<Gdn>[] = [
  countKey("ssm.state_size", (spec) => spec.keyDim),
  countKey("ssm.group_count", (spec) => spec.keyHeads),
];

/** Value heads of a proxy: their width keeps its ratio to the model width. */
function scaledValues(spec: Gdn | GdnConv, from: number, to: ProxySize) {
  const { heads: valueHeads, dim: valueDim } = scaledHeads(spec.valueHeads, spec.valueDim, from, to);
  return { valueDim, valueHeads };
}

const shared = { ...costs, quantities: [] } as const;

/**
 * Gated DeltaNet (arXiv 2412.06464). With K = keyHeads * keyDim and V = valueHeads * valueDim, its tensors
 * are: attn_qkv [d, 2K+V], attn_gate [d, V], ssm_conv1d [k, 2K+V], ssm_beta and ssm_alpha [d, valueHeads],
 * ssm_dt and ssm_a [valueHeads], ssm_norm [valueDim], ssm_out [V, d].
 */
export const gdn = {
  ...shared,
  name: "gdn",
  schema: gdnSchema,
  title: "Gated DeltaNet",
  notation: {
    form: "gdn",
    example: "gdn(8/8x128)",
    examples: ["gdn(2/2x16)", "gdn(1/3x8/24k2)", "gdn(2/4x12/10)", "gdn(4/4x8k8)"],
    head: /^gdn$/,
    parse: (_head, argument, text) => {
      const form = "key heads/value heads x head size, e.g. gdn(8/8x128) or gdn(4/8x64/128k4)";
      const found = matchHeads(/^(\d+)\/(\d+)x(\d+)(?:\/(\d+))?(?:k(\d+))?$/, argument, text, form);
      const keyDim = Number(found[3]);
      return {
        op: "gdn",
        keyHeads: Number(found[1]),
        valueHeads: Number(found[2]),
        keyDim,
        valueDim: numberOr(found[4], keyDim),
        kernel: numberOr(found[5], DEFAULT_KERNEL),
      };
    },
    format: (spec) => {
      const values = spec.valueDim === spec.keyDim ? "" : `/${spec.valueDim}`;
      const argument = `${spec.keyHeads}/${spec.valueHeads}x${spec.keyDim}${values}${kernelText(spec.kernel)}`;
      return { head: "gdn", argument };
    },
  },
  keys: [...convKeys, ...stateKeys],
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.attn_qkv.weight`, shape: [width, channels(spec)], role: "matrix" },
    { name: `${prefix}.attn_gate.weight`, shape: [width, valueWidth(spec)], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [spec.kernel, channels(spec)], role: "vector" },
    { name: `${prefix}.ssm_beta.weight`, shape: [width, spec.valueHeads], role: "matrix" },
    { name: `${prefix}.ssm_alpha.weight`, shape: [width, spec.valueHeads], role: "matrix" },
    { name: `${prefix}.ssm_dt.bias`, shape: [spec.valueHeads], role: "vector" },
    { name: `${prefix}.ssm_a`, shape: [spec.valueHeads], role: "vector" },
    { name: `${prefix}.ssm_norm.weight`, shape: [spec.valueDim], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [valueWidth(spec), width], role: "matrix" },
  ],
  problem: (spec) =>
    spec.valueHeads % spec.keyHeads === 0
      ? null
      : `${counted(spec.valueHeads, "value head")} cannot share ${counted(spec.keyHeads, "key head")} evenly ` +
        "(value heads must be a multiple of key heads)",
  traits: () => recurrentTraits,
  // State and weights grow together with the number of heads, not with the size of a head.
  costKind: (spec) => `gdn ${spec.keyDim}x${spec.valueDim}`,
  scale: (spec, from, to) => {
    const values = scaledValues(spec, from, to);
    const group = largestDivisorUpTo(values.valueHeads, spec.valueHeads / spec.keyHeads);
    const keyDim = scaledDim(spec.keyDim, from, to);
    return { ...spec, ...values, keyHeads: values.valueHeads / group, keyDim };
  },
  picture: {
    tone: "swa",
    height: 24,
    legend: "D: Gated DeltaNet, a state of fixed size",
    mark: (spec) => ({
      text: "D",
      title:
        `state of Gated DeltaNet, ${spec.keyHeads} key and ${counted(spec.valueHeads, "value head")} ` +
        `of ${spec.keyDim} x ${spec.valueDim}`,
    }),
  },
  floatStages: ["gdn-conv", "gdn-keys", "gdn-state", "gdn-gate"],
} as const satisfies MixerOperator<Gdn>;

/**
 * The part of Gated DeltaNet that mixes nearby tokens only: silu(conv(v)), its norm, and the gate. Tensors:
 * attn_v and attn_gate [d, V], ssm_conv1d [k, V], ssm_norm [valueDim], ssm_out [V, d].
 */
export const gdnConv = {
  ...shared,
  name: "gdn.conv",
  schema: gdnConvSchema,
  title: "Gated DeltaNet without its state",
  notation: {
    form: "gdn.conv",
    example: "gdn.conv(8x128)",
    examples: ["gdn.conv(2x16)", "gdn.conv(3x24k2)", "gdn.conv(1x10k8)"],
    head: /^gdn\.conv$/,
    parse: (_head, argument, text) => {
      const form = "heads x head size, e.g. gdn.conv(8x128) or gdn.conv(8x128k4)";
      const found = matchHeads(/^(\d+)x(\d+)(?:k(\d+))?$/, argument, text, form);
      return {
        op: "gdn.conv",
        valueHeads: Number(found[1]),
        valueDim: Number(found[2]),
        kernel: numberOr(found[3], DEFAULT_KERNEL),
      };
    },
    format: (spec) => ({
      head: "gdn.conv",
      argument: `${spec.valueHeads}x${spec.valueDim}${kernelText(spec.kernel)}`,
    }),
  },
  keys: convKeys,
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.attn_v.weight`, shape: [width, valueWidth(spec)], role: "matrix" },
    { name: `${prefix}.attn_gate.weight`, shape: [width, valueWidth(spec)], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [spec.kernel, valueWidth(spec)], role: "vector" },
    { name: `${prefix}.ssm_norm.weight`, shape: [spec.valueDim], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [valueWidth(spec), width], role: "matrix" },
  ],
  problem: () => null,
  traits: (spec) => ({ reach: spec.kernel, lookup: false, stateful: true }),
  costKind: (spec) => `gdn.conv k${spec.kernel}`,
  scale: (spec, from, to) => ({ ...spec, ...scaledValues(spec, from, to) }),
  picture: {
    tone: "conv",
    height: 13,
    legend: "D and its taps: convolution of Gated DeltaNet",
    mark: (spec) => ({
      text: `D${spec.kernel}`,
      title: `convolution of Gated DeltaNet, ${spec.kernel} taps, ${counted(spec.valueHeads, "head")} of ${spec.valueDim}`,
    }),
  },
  floatStages: [],
} as const satisfies MixerOperator<GdnConv>;

/**
 * Returns the spec if it is Gated DeltaNet's, else null. Formats that store Gated DeltaNet in their own way need
 * this.
 */
export const gdnOf = (spec: { readonly op: string }): Gdn | null =>
  spec.op === gdn.name ? (spec as Gdn) : null;
