// Costs of mixers whose only state has a fixed size, all of which every token reads and writes.

/** Returns state and costs of a mixer from its state elements and its FLOPs for a token, in a model of a given width. */
export function recurrentCosts<Spec>(
  elements: (spec: Spec, width: number) => number,
  flops: (spec: Spec, width: number) => number,
) {
  const state = (spec: Spec, width: number) => ({ kv: 0, recurrent: elements(spec, width) });
  return {
    state,
    decode: (spec: Spec, width: number) => {
      const moved = state(spec, width);
      return { flops: flops(spec, width), reads: moved, writes: moved };
    },
    prefillFlops: (spec: Spec, width: number, length: number) => length * flops(spec, width),
  };
}
