// The block of LFM2's gated short convolution with any filter in place of the convolution: (B, C, h) =
// in_proj(x); y = filter(B*h); out_proj(C*y). Operators of this block differ in the filter only.
// Source: LFM2 technical report, arXiv 2511.23404, section 2.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";
import type { MixerOperator, TensorSpec } from "./operator.ts";
import { countKey, recurrentCosts, recurrentTraits } from "./recurrent.ts";

/** Returns a tensor of a filter: `n` values for each of `width` channels, kept in F32. */
export const perChannel = (name: string, n: number, width: number): TensorSpec => ({
  name,
  shape: [n, width],
  role: "vector",
});

/**
 * Returns the tensors of a layer `prefix` with the given tensors of its filter: in_proj [d, 3d], the filter,
 * out_proj [d, d].
 */
export const gatedTensors = (
  prefix: string,
  width: number,
  filter: readonly TensorSpec[],
): readonly TensorSpec[] => [
  { name: `${prefix}.shortconv.in_proj.weight`, shape: [width, 3 * width], role: "matrix" },
  ...filter,
  { name: `${prefix}.shortconv.out_proj.weight`, shape: [width, width], role: "matrix" },
];

/** The size of a filter in one channel: state elements, and FLOPs for a token. */
interface FilterSize<Spec> {
  state(spec: Spec): number;
  flops(spec: Spec): number;
}

/** Returns state and costs of the block. The gates cost two FLOPs a channel. */
export const gatedCosts = <Spec>(filter: FilterSize<Spec>) =>
  recurrentCosts<Spec>((spec, width) => ({
    elements: filter.state(spec) * width,
    flops: (filter.flops(spec) + 2) * width,
  }));

/** The properties of a recursive filter whose only parameter is the size of its state. */
interface RecursiveFilter<Name extends string> {
  readonly name: Name;
  readonly title: string;
  /** Permitted numbers of state elements of a channel. */
  readonly state: z.ZodInt;
  readonly examples: readonly string[];
  /** Tensors of the filter in layer `prefix`. */
  tensors(state: number, width: number, prefix: string): readonly TensorSpec[];
  /** FLOPs of one channel for a token. */
  flops(state: number): number;
  readonly picture: { readonly text: string; readonly height: number };
}

/** Returns the operator of a recursive filter. Its notation is the name with the size of the state, e.g. `rtf(16)`. */
export function recursiveFilter<const Name extends string>(filter: RecursiveFilter<Name>) {
  const { name, title, picture } = filter;
  const schema = z.strictObject({
    op: z.literal(name),
    /** Real state elements of each channel. */
    state: filter.state,
  });
  type Spec = Readonly<z.infer<typeof schema>>;
  return {
    name,
    schema,
    title,
    notation: {
      form: `${name}(<n>)`,
      example: filter.examples[0]!,
      examples: filter.examples,
      head: new RegExp(`^${name}$`),
      parse: (_head, argument, text) => {
        if (argument === undefined || !/^\d+$/.test(argument))
          throw new InvalidInputError(
            "bad-notation",
            `"${text}" needs the number of state elements of a channel in parentheses, e.g. ${filter.examples[0]}`,
          );
        return { op: name, state: Number(argument) } as Spec;
      },
      format: (spec) => ({ head: name, argument: String(spec.state) }),
    },
    keys: [countKey<Spec>("ssm.state_size", (spec) => spec.state)],
    tensors: (spec, width, prefix) =>
      gatedTensors(prefix, width, filter.tensors(spec.state, width, `${prefix}.${name}`)),
    problem: () => null,
    traits: () => recurrentTraits,
    ...gatedCosts<Spec>({ state: (spec) => spec.state, flops: (spec) => filter.flops(spec.state) }),
    // The filter takes a share of the time, so the time per weight element differs between state sizes.
    costKind: (spec) => `${name}${spec.state}`,
    // A channel's filter does not depend on the number of channels.
    scale: (spec) => spec,
    picture: {
      tone: "swa",
      height: picture.height,
      legend: `${picture.text}: ${title}`,
      mark: (spec) => ({
        text: picture.text,
        title: `filter ${name}, ${spec.state} state elements a channel`,
      }),
    },
    quantities: [{ name: "mean state size of recurrences", over: "mean", of: (spec) => spec.state }],
    floatStages: [name],
  } as const satisfies MixerOperator<Spec>;
}
