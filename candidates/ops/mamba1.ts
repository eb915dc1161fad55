// Mamba: a recurrence with a decay for each channel, state element and token. Also its short-conv part only:
// the same layer without the recurrence.
// Source: Gu and Dao, "Mamba", arXiv 2312.00752.
import { z } from "zod";
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
  wholeExpand,
} from "./mamba.ts";
import type { MixerOperator, TensorSpec } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

const schema = z.strictObject({
  op: z.literal("m1"),
  ...innerFields,
  /** State elements of each channel. */
  state: z.int().min(1).max(256).default(16),
  /** Numbers from which the step sizes of all channels are computed. Absent: a sixteenth of the width, rounded up. */
  rank: z.int().min(1).max(4096).optional(),
});
const convPart = shortConvPart({
  name: "m1.conv",
  title: "Mamba",
  of: "mamba",
  text: "1c",
  floatStages: ["m1-conv", "m1-gate"],
});

/** The spec of Mamba. */
export type Mamba1 = Readonly<z.infer<typeof schema>>;
/** The spec of Mamba's short-conv part. */
type Mamba1Conv = Readonly<z.infer<typeof convPart.schema>>;

/** Sizes of a mixer in a model. The short-conv part has no state and no rank. */
interface Sizes {
  /** Channels. */
  readonly inner: number;
  readonly state: number;
  readonly rank: number;
  readonly kernel: number;
}

function sizesOf(spec: Mamba1 | Mamba1Conv, width: number): Sizes {
  const inner = innerWidth(spec, width);
  const { kernel } = spec;
  if (spec.op === "m1.conv") return { inner, state: 0, rank: 0, kernel };
  return { inner, state: spec.state, rank: spec.rank ?? Math.ceil(width / 16), kernel };
}

/** State elements of one sequence: the recurrence's, and the last inputs of the convolution. */
const stateElements = ({ inner, state, kernel }: Sizes): number => inner * (state + kernel - 1);

/**
 * FLOPs per token: taps; decay, update and read of the state, an exponential counted as its product; and the
 * two small products, which are no matrices of the file (see `tensors`).
 */
const tokenFlops = ({ inner, state, rank, kernel }: Sizes): number =>
  2 * kernel * inner + 6 * inner * state + 2 * inner * (2 * rank + 2 * state);

function tensors(spec: Mamba1 | Mamba1Conv, width: number, prefix: string): readonly TensorSpec[] {
  const { inner, state, rank, kernel } = sizesOf(spec, width);
  // Both small products stay in F32: their rows seldom fill a block of a quantised type.
  const recurrence = [
    { name: `${prefix}.ssm_x.weight`, shape: [inner, rank + 2 * state], role: "vector" },
    { name: `${prefix}.ssm_dt.weight`, shape: [rank, inner], role: "vector" },
    { name: `${prefix}.ssm_dt.bias`, shape: [inner], role: "vector" },
    { name: `${prefix}.ssm_a`, shape: [state, inner], role: "vector" },
    { name: `${prefix}.ssm_d`, shape: [inner], role: "vector" },
  ] as const;
  return [
    { name: `${prefix}.ssm_in.weight`, shape: [width, 2 * inner], role: "matrix" },
    { name: `${prefix}.ssm_conv1d.weight`, shape: [kernel, inner], role: "vector" },
    { name: `${prefix}.ssm_conv1d.bias`, shape: [inner], role: "vector" },
    ...(state > 0 ? recurrence : []),
    { name: `${prefix}.ssm_out.weight`, shape: [inner, width], role: "matrix" },
  ];
}

const key = (name: string, of: (sizes: Sizes) => number) =>
  countKey<Mamba1 | Mamba1Conv>(`ssm.${name}`, (spec, width) => of(sizesOf(spec, width)));

const shared = {
  // Keys have the names of llama.cpp's architecture `mamba`.
  keys: [
    key("conv_kernel", ({ kernel }) => kernel),
    key("inner_size", ({ inner }) => inner),
    key("state_size", ({ state }) => state),
    key("time_step_rank", ({ rank }) => rank),
  ],
  tensors,
  problem: innerProblem,
  ...recurrentCosts<Mamba1 | Mamba1Conv>((spec, width) => {
    const sizes = sizesOf(spec, width);
    return { elements: stateElements(sizes), flops: tokenFlops(sizes) };
  }),
} as const;

const OPTIONS: readonly Option[] = [
  EXPAND,
  { letter: "n", field: "state", default: 16 },
  { letter: "r", field: "rank", example: 64 },
  KERNEL,
];

/**
 * Mamba. Tensors: ssm_in [d, 2*inner] (rows x, z), ssm_conv1d [k, inner] with bias, ssm_x [inner, rank +
 * 2*state] (rows of the step, B, C), ssm_dt [rank, inner] with bias, ssm_a [state, inner], ssm_d [inner],
 * ssm_out [inner, d].
 */
export const mamba1 = {
  ...shared,
  name: "m1",
  schema,
  title: "Mamba",
  notation: {
    form: "m1",
    example: "m1",
    examples: ["m1", "m1(e1n8)", "m1(n5r3k2)", "m1(e1.5n1r33k7)"],
    head: /^m1$/,
    parse: (_head, argument, text) => ({ op: "m1", ...parseOptions(OPTIONS, argument, text) }) as Mamba1,
    format: (spec) => formatOptions("m1", OPTIONS, spec),
  },
  traits: () => recurrentTraits,
  // The state moves with every token, so mixers of different state sizes differ in time per weight element.
  costKind: (spec) => `m1n${spec.state}`,
  // A written rank keeps its ratio to the width.
  scale: (spec, from, to) => ({
    ...spec,
    expand: wholeExpand(spec, to.width),
    ...(spec.rank === undefined ? {} : { rank: Math.max(1, Math.round((spec.rank * to.width) / from)) }),
  }),
  picture: {
    tone: "swa",
    height: 21,
    legend: "M1: Mamba",
    mark: (spec) => ({ text: "M1", title: `mamba, expansion ${spec.expand}, state ${spec.state}` }),
  },
  quantities: [{ name: "mean state size of recurrences", over: "mean", of: (spec) => spec.state }],
  floatStages: ["m1-conv", "m1-rates", "m1-scan", "m1-gate"],
} as const satisfies MixerOperator<Mamba1>;

/** Mamba without its recurrence: out(silu(conv(x)) * silu(z)). */
export const mamba1Conv = {
  ...shared,
  ...convPart,
} as const satisfies MixerOperator<Mamba1Conv>;

/** Returns the spec if it is Mamba's, else null. Formats that store Mamba in their own way need this. */
export const mamba1Of = (spec: { readonly op: string }): Mamba1 | null =>
  spec.op === mamba1.name ? (spec as Mamba1) : null;
