// Kimi Delta Attention: Gated DeltaNet with a decay for each key channel, low-rank gates and one number of
// heads. `kda.conv` keeps its short convolution, norm and gate, and drops the state.
// Source: Kimi Team 2025, arXiv 2510.26692. Tensor names are those of llama.cpp's kimi-linear where it has them.
import { z } from "zod";
import { counted } from "../words.ts";
import {
  DEFAULT_KERNEL,
  headDim,
  heads,
  kernel,
  kernelText,
  matchHeads,
  numberOr,
  scaledHeads,
} from "./heads.ts";
import type { LayerKey, MixerOperator, ProxySize } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const fields = {
  heads,
  /** Channels of a head's queries, keys and values. Also the rank of the gates. */
  headDim,
  /** Taps of the depthwise convolution, the newest token included. */
  kernel,
};
const schema = z.strictObject({ op: z.literal("kda"), ...fields });
const convSchema = z.strictObject({ op: z.literal("kda.conv"), ...fields });

/** The spec of Kimi Delta Attention. */
export type Kda = Readonly<z.infer<typeof schema>>;
/** The spec of Kimi Delta Attention's short-convolution part. */
export type KdaConv = Readonly<z.infer<typeof convSchema>>;

const widthOf = (spec: Kda | KdaConv): number => spec.heads * spec.headDim;
/** Channels of the convolution: queries, keys and values, or values only. */
const channels = (spec: Kda | KdaConv): number => widthOf(spec) * (spec.op === "kda" ? 3 : 1);

/** The state and the FLOPs per token, counted as in Gated DeltaNet. */
const costs = recurrentCosts((spec: Kda | KdaConv) => {
  const inHeads = spec.op === "kda" ? widthOf(spec) * spec.headDim : 0;
  return {
    elements: (spec.kernel - 1) * channels(spec) + inHeads,
    flops: 2 * spec.kernel * channels(spec) + 7 * inHeads,
  };
});

const keys: readonly LayerKey<Kda | KdaConv>[] = [
  countKey("ssm.conv_kernel", (spec) => spec.kernel),
  countKey("ssm.inner_size", widthOf),
  countKey("ssm.time_step_rank", (spec) => spec.heads),
];

/** Returns the fields of a token. Throws InvalidInputError (`bad-notation`). */
function parse(name: string, argument: string | undefined, text: string): Omit<Kda, "op"> {
  const form = `heads x head size, e.g. ${name}(8x128) or ${name}(8x128k3)`;
  const found = matchHeads(/^(\d+)x(\d+)(?:k(\d+))?$/, argument, text, form);
  return {
    heads: Number(found[1]),
    headDim: Number(found[2]),
    kernel: numberOr(found[3], DEFAULT_KERNEL),
  };
}

const argumentOf = (spec: Kda | KdaConv): string => `${spec.heads}x${spec.headDim}${kernelText(spec.kernel)}`;

/** Number and size of a proxy's heads. */
function scaledFields(spec: Kda | KdaConv, from: number, to: ProxySize) {
  const scaled = scaledHeads(spec.heads, spec.headDim, from, to);
  return { heads: scaled.heads, headDim: scaled.dim };
}

const shared = { ...costs, keys, problem: () => null, quantities: [] } as const;

/**
 * Kimi Delta Attention. With V = heads * headDim, its tensors are: attn_qkv [d, 3V], ssm_conv1d [k, 3V], ssm_beta
 * [d, heads], ssm_f_a [d, headDim], ssm_f_b [headDim, V], ssm_dt [V], ssm_a [heads], ssm_g_a [d, headDim],
 * ssm_g_b [headDim, V], ssm_norm [headDim], ssm_out [V, d].
 */
export const kda = {
  ...shared,
  name: "kda",
  schema,
  title: "Kimi Delta Attention",
  notation: {
    form: "kda",
    example: "kda(8x128)",
    examples: ["kda(2x16)", "kda(1x24k2)", "kda(3x10)", "kda(2x8k8)"],
    head: /^kda$/,
    parse: (_head, argument, text) => ({ op: "kda", ...parse("kda", argument, text) }),
    format: (spec) => ({ head: "kda", argument: argumentOf(spec) }),
  },
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.attn_qkv.weight`, shape: [width, channels(spec)], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [spec.kernel, channels(spec)], role: "vector" },
    { name: `${prefix}.ssm_beta.weight`, shape: [width, spec.heads], role: "matrix" },
    { name: `${prefix}.ssm_f_a.weight`, shape: [width, spec.headDim], role: "matrix" },
    { name: `${prefix}.ssm_f_b.weight`, shape: [spec.headDim, widthOf(spec)], role: "matrix" },
    { name: `${prefix}.ssm_dt.bias`, shape: [widthOf(spec)], role: "vector" },
    { name: `${prefix}.ssm_a`, shape: [spec.heads], role: "vector" },
    { name: `${prefix}.ssm_g_a.weight`, shape: [width, spec.headDim], role: "matrix" },
    { name: `${prefix}.ssm_g_b.weight`, shape: [spec.headDim, widthOf(spec)], role: "matrix" },
    { name: `${prefix}.ssm_norm.weight`, shape: [spec.headDim], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [widthOf(spec), width], role: "matrix" },
  ],
  traits: () => recurrentTraits,
  costKind: (spec) => `kda ${spec.headDim}`,
  scale: (spec, from, to) => ({ ...spec, ...scaledFields(spec, from, to) }),
  picture: {
    tone: "swa",
    height: 25,
    legend: "K: Kimi Delta Attention, a state of fixed size",
    mark: (spec) => ({
      text: "K",
      title: `state of Kimi Delta Attention, ${counted(spec.heads, "head")} of ${spec.headDim}`,
    }),
  },
  floatStages: ["kda-conv", "kda-keys", "kda-state", "kda-gate"],
} as const satisfies MixerOperator<Kda>;

/**
 * The part of Kimi Delta Attention that mixes nearby tokens only: silu(conv(v)), its norm, and the gate. Tensors:
 * attn_v [d, V], ssm_conv1d [k, V], ssm_g_a [d, headDim], ssm_g_b [headDim, V], ssm_norm [headDim], ssm_out [V, d].
 */
export const kdaConv = {
  ...shared,
  name: "kda.conv",
  schema: convSchema,
  title: "Kimi Delta Attention without its state",
  notation: {
    form: "kda.conv",
    example: "kda.conv(8x128)",
    examples: ["kda.conv(2x16)", "kda.conv(3x24k2)", "kda.conv(1x10k8)"],
    head: /^kda\.conv$/,
    parse: (_head, argument, text) => ({ op: "kda.conv", ...parse("kda.conv", argument, text) }),
    format: (spec) => ({ head: "kda.conv", argument: argumentOf(spec) }),
  },
  tensors: (spec, width, prefix) => [
    { name: `${prefix}.attn_v.weight`, shape: [width, widthOf(spec)], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [spec.kernel, widthOf(spec)], role: "vector" },
    { name: `${prefix}.ssm_g_a.weight`, shape: [width, spec.headDim], role: "matrix" },
    { name: `${prefix}.ssm_g_b.weight`, shape: [spec.headDim, widthOf(spec)], role: "matrix" },
    { name: `${prefix}.ssm_norm.weight`, shape: [spec.headDim], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [widthOf(spec), width], role: "matrix" },
  ],
  traits: (spec) => ({ reach: spec.kernel, lookup: false, stateful: true }),
  costKind: (spec) => `kda.conv k${spec.kernel}`,
  scale: (spec, from, to) => ({ ...spec, ...scaledFields(spec, from, to) }),
  picture: {
    tone: "conv",
    height: 14,
    legend: "K and its taps: convolution of Kimi Delta Attention",
    mark: (spec) => ({
      text: `K${spec.kernel}`,
      title: `convolution of Kimi Delta Attention, ${spec.kernel} taps, ${counted(spec.heads, "head")} of ${spec.headDim}`,
    }),
  },
  floatStages: [],
} as const satisfies MixerOperator<KdaConv>;
