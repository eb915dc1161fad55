// Parallel layers: attention and another mixer read the same normalised input, and both outputs are added to
// the residual stream, as in Falcon-H1 (arXiv 2507.22448): x += attention(n) + recurrence(n). Costs, tensors
// and traits are those of the two operators.
import { z } from "zod";
import type { DecodeCost, MixerOperator, Mixing, StateElements } from "./operator.ts";

/** Checks the mixers of a parallel layer, each with `single`. */
export const parallelSchema = <Single extends z.ZodType>(single: Single) =>
  z.strictObject({ op: z.literal("parallel"), mixers: z.tuple([single, single]).readonly() });

/** The mixers of a parallel layer: attention first. */
export interface Parallel<Single> {
  readonly op: "parallel";
  readonly mixers: readonly [Single, Single];
}

/** Tokens of parallel layers, for help texts and tests. */
export const parallelExamples = [
  "g+m2",
  "g(4/1x16n)+m2(e1x16n8)",
  "s7(4/2x16o)+c3",
  "g+gdn(1/2x8)",
  "s5<+kda(2x16)",
  "g<(4/1x16n)+s4d(8)",
] as const;

const sum = (a: StateElements, b: StateElements): StateElements => ({
  kv: a.kv + b.kv,
  recurrent: a.recurrent + b.recurrent,
});

/** Returns the costs, tensors and traits of parallel layers, from those of the operators of their mixers. */
export function parallelMixing<Single>(
  operatorOf: (mixer: Single) => MixerOperator<Single>,
): Mixing<Parallel<Single>> {
  type Spec = Parallel<Single>;
  const each = <T>({ mixers }: Spec, of: (operator: MixerOperator<Single>, mixer: Single) => T) =>
    mixers.map((mixer) => of(operatorOf(mixer), mixer)) as [T, T];

  /** Returns a reason why no file can hold both mixers, or null. */
  function collision(spec: Spec, width: number): string | null {
    const [own, other] = each(spec, ({ keys, tensors, notation }, mixer) => ({
      head: notation.format(mixer).head,
      names: [...tensors(mixer, width, "").map(({ name }) => name.slice(1)), ...keys.map(({ key }) => key)],
    }));
    const shared = own.names.find((name) => other.names.includes(name));
    return shared === undefined
      ? null
      : `${own.head} and ${other.head} cannot be parallel: files need the name ${shared} for both`;
  }

  return {
    tensors: (spec, width, prefix) =>
      each(spec, (operator, mixer) => operator.tensors(mixer, width, prefix)).flat(),
    problem: (spec, width) => {
      const [first, second] = each(spec, (operator, mixer) => operator.problem(mixer, width));
      const [attends, recalls] = each(spec, (operator, mixer) => operator.traits(mixer).lookup);
      if (!attends || recalls)
        return "parallel mixers are attention and another mixer, in this order, e.g. g+m2";
      return first ?? second ?? collision(spec, width);
    },
    scale: (spec, from, to) => ({
      ...spec,
      mixers: each(spec, (operator, mixer) => operator.scale(mixer, from, to)),
    }),
    traits: (spec) => {
      const both = each(spec, (operator, mixer) => operator.traits(mixer));
      return {
        reach: Math.max(...both.map(({ reach }) => reach)),
        lookup: both.some(({ lookup }) => lookup),
        stateful: both.some(({ stateful }) => stateful),
        sequential: both.some(({ sequential }) => sequential),
      };
    },
    kv: (spec) => each(spec, (operator, mixer) => operator.kv?.(mixer)).find((use) => use !== undefined),
    state: (spec, width, context) =>
      sum(...each(spec, (operator, mixer) => operator.state(mixer, width, context))),
    decode: (spec, width, context): DecodeCost => {
      const [a, b] = each(spec, (operator, mixer) => operator.decode(mixer, width, context));
      return { flops: a.flops + b.flops, reads: sum(a.reads, b.reads), writes: sum(a.writes, b.writes) };
    },
    prefillFlops: (spec, width, length) =>
      each(spec, (operator, mixer) => operator.prefillFlops(mixer, width, length)).reduce((a, b) => a + b),
  };
}
