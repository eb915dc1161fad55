// Mamba-2 (SSD): a recurrence with one decay per head and token, over a matrix state of head size x state size.
// Also its short-conv part only: the same layer without the recurrence.
// Source: Dao and Gu, "Transformers are SSMs", arXiv 2405.21060.
import { z } from "zod";
import { counted } from "../words.ts";
import { largestDivisorUpTo } from "./geometry.ts";
import {
  EXPAND,
  formatOptions,
  innerFields,
  innerProblem,
  innerWidth,
  KERNEL,
  type Option,
  parseOptions,
  shortConvPart,
} from "./mamba.ts";
import type { MixerOperator, TensorSpec } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const schema = z.strictObject({
  op: z.literal("m2"),
  ...innerFields,
  /** Channels of a head. The number of heads is expand * width / headDim. */
  headDim: z.int().min(2).max(1024).default(64),
  /** State elements of each channel: the size of the vectors B and C. */
  state: z.int().min(1).max(4096).default(128),
  /** Groups of heads. The heads of a group share B and C, and are normalised together. */
  groups: z.int().min(1).max(1024).default(1),
});
const convPart = shortConvPart({
  name: "m2.conv",
  title: "Mamba-2",
  of: "mamba-2",
  text: "Mc",
  floatStages: ["m2-conv", "m2-norm"],
});

/** The spec of Mamba-2. */
export type Mamba2 = Readonly<z.infer<typeof schema>>;
/** The spec of Mamba-2's short-conv part. */
type Mamba2Conv = Readonly<z.infer<typeof convPart.schema>>;

/** Sizes of a mixer in a model. The short-conv part has no heads and no state. */
interface Sizes {
  /** Channels. */
  readonly inner: number;
  readonly heads: number;
  readonly state: number;
  readonly groups: number;
  readonly kernel: number;
  /** Channels of the convolution: x, and B and C of each group. */
  readonly convolved: number;
}

function sizesOf(spec: Mamba2 | Mamba2Conv, width: number): Sizes {
  const inner = innerWidth(spec, width);
  const { kernel } = spec;
  if (spec.op === "m2.conv") return { inner, heads: 0, state: 0, groups: 1, kernel, convolved: inner };
  const { state, groups } = spec;
  const heads = Math.floor(inner / spec.headDim);
  return { inner, heads, state, groups, kernel, convolved: inner + 2 * groups * state };
}

/** State elements of one sequence: the recurrence's, and the last inputs of the convolution. */
const stateElements = ({ inner, state, kernel, convolved }: Sizes): number =>
  inner * state + (kernel - 1) * convolved;

/** FLOPs per token: decay, update and read of the state, and the taps. */
const tokenFlops = ({ inner, state, kernel, convolved }: Sizes): number =>
  5 * inner * state + 2 * kernel * convolved;

function tensors(spec: Mamba2 | Mamba2Conv, width: number, prefix: string): readonly TensorSpec[] {
  const { inner, heads, state, groups, kernel, convolved } = sizesOf(spec, width);
  const projected = 2 * inner + 2 * groups * state + heads;
  const recurrence = [
    { name: `${prefix}.ssm_dt.bias`, shape: [heads], role: "vector" },
    { name: `${prefix}.ssm_a`, shape: [1, heads], role: "vector" },
    { name: `${prefix}.ssm_d`, shape: [1, heads], role: "vector" },
  ] as const;
  return [
    { name: `${prefix}.ssm_in.weight`, shape: [width, projected], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [kernel, convolved], role: "vector" },
    { name: `${prefix}.ssm_conv1d.bias`, shape: [convolved], role: "vector" },
    ...(heads > 0 ? recurrence : []),
    { name: `${prefix}.ssm_norm.weight`, shape: [inner / groups, groups], role: "vector" },
    { name: `${prefix}.ssm_out.weight`, shape: [inner, width], role: "matrix" },
  ];
}

const key = (name: string, of: (sizes: Sizes) => number) =>
  countKey<Mamba2 | Mamba2Conv>(`ssm.${name}`, (spec, width) => of(sizesOf(spec, width)));

const shared = {
  // Keys have the names of llama.cpp's architectures, where `time_step_rank` is the number of heads.
  keys: [
    key("conv_kernel", ({ kernel }) => kernel),
    key("inner_size", ({ inner }) => inner),
    key("state_size", ({ state }) => state),
    key("time_step_rank", ({ heads }) => heads),
    key("group_count", ({ groups }) => groups),
  ],
  tensors,
  ...recurrentCosts<Mamba2 | Mamba2Conv>((spec, width) => {
    const sizes = sizesOf(spec, width);
    return { elements: stateElements(sizes), flops: tokenFlops(sizes) };
  }),
} as const;

const OPTIONS: readonly Option[] = [
  EXPAND,
  { letter: "x", field: "headDim", default: 64 },
  { letter: "n", field: "state", default: 128 },
  { letter: "g", field: "groups", default: 1 },
  KERNEL,
];

/**
 * Mamba-2. Tensors: ssm_in [d, 2*inner + 2*groups*state + heads] (rows z, x, B, C, dt), ssm_conv1d [k, inner +
 * 2*groups*state] with bias, ssm_dt.bias, ssm_a and ssm_d [heads], ssm_norm [inner], ssm_out [inner, d].
 */
export const mamba2 = {
  ...shared,
  name: "m2",
  schema,
  title: "Mamba-2",
  notation: {
    form: "m2",
    example: "m2",
    examples: ["m2", "m2(e1x16n8)", "m2(x8n33g2k2)", "m2(e1.5x12n16g4k7)"],
    head: /^m2$/,
    parse: (_head, argument, text) => ({ op: "m2", ...parseOptions(OPTIONS, argument, text) }) as Mamba2,
    format: (spec) => formatOptions("m2", OPTIONS, spec),
  },
  problem: (spec, width) => {
    const problem = innerProblem(spec, width);
    if (problem !== null) return problem;
    const { inner, heads } = sizesOf(spec, width);
    if (inner % spec.headDim !== 0)
      return `${counted(inner, "channel")} (${spec.expand} x ${width}) do not divide into heads of ${spec.headDim}`;
    return heads % spec.groups === 0
      ? null
      : `${counted(heads, "head")} do not divide into ${counted(spec.groups, "group")}`;
  },
  traits: () => recurrentTraits,
  // The state moves with every token, so mixers of different state sizes differ in time per weight element.
  costKind: (spec) => `m2n${spec.state}`,
  // B and C shrink with the heads, as the keys of attention do.
  scale: (spec, _from, to) => {
    const headDim = to.headDim;
    const heads = Math.max(1, Math.round((spec.expand * to.width) / headDim));
    return {
      ...spec,
      headDim,
      expand: (heads * headDim) / to.width,
      state: Math.max(1, Math.round((spec.state * headDim) / spec.headDim)),
      groups: largestDivisorUpTo(heads, spec.groups),
    };
  },
  picture: {
    tone: "swa",
    height: 21,
    legend: "M2: Mamba-2",
    mark: (spec) => ({
      text: "M2",
      title: `mamba-2, expansion ${spec.expand}, heads of ${spec.headDim}, state ${spec.state}`,
    }),
  },
  quantities: [{ name: "mean state size of recurrences", over: "mean", of: (spec) => spec.state }],
  floatStages: ["m2-conv", "m2-scan", "m2-norm"],
} as const satisfies MixerOperator<Mamba2>;

/** Mamba-2 without its recurrence: out(rmsnorm(silu(conv(x)) * silu(z))). */
export const mamba2Conv = {
  ...shared,
  ...convPart,
} as const satisfies MixerOperator<Mamba2Conv>;

/**
 * Returns the spec if it is Mamba-2's, else null. Formats that store Mamba-2 in their own way need this.
 */
export const mamba2Of = (spec: { readonly op: string }): Mamba2 | null =>
  spec.op === mamba2.name ? (spec as Mamba2) : null;
