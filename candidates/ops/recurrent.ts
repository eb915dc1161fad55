// Mixers whose only state has a fixed size, all of which every token reads and writes: their costs, their traits and
// their keys in the metadata.
import type { DecodeCost, LayerKey, StateElements } from "./operator.ts";

/** State elements of one sequence, and FLOPs for a token. */
interface FixedState {
  readonly elements: number;
  readonly flops: number;
}

/** Returns state and costs of a mixer from its sizes in a model of a given width. */
export function recurrentCosts<Spec>(sizes: (spec: Spec, width: number) => FixedState) {
  const state = (spec: Spec, width: number): StateElements => ({
    kv: 0,
    recurrent: sizes(spec, width).elements,
  });
  return {
    state,
    decode: (spec: Spec, width: number): DecodeCost => {
      const moved = state(spec, width);
      return { flops: sizes(spec, width).flops, reads: moved, writes: moved };
    },
    prefillFlops: (spec: Spec, width: number, length: number) => length * sizes(spec, width).flops,
  };
}

/** Traits of a mixer whose state depends on every earlier token, but holds no entry that could be found again. */
export const recurrentTraits = { reach: Number.POSITIVE_INFINITY, lookup: false, stateful: true } as const;

/** A key whose values are counts. */
export interface CountKey<Spec> extends LayerKey<Spec> {
  of(spec: Spec, width: number): number;
}

/** Returns a key of the metadata that is 0 in layers to which it does not apply. */
export const countKey = <Spec>(key: string, of: (spec: Spec, width: number) => number): CountKey<Spec> => ({
  key,
  type: "i32",
  otherwise: 0,
  of,
});
