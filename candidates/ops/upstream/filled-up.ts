// Padding: engines with one size for all layers run a layout of several sizes, if its smaller weights are
// filled up with zeros.
import type { Layout } from "../../layout.ts";
import type { Mixer } from "../operator-registry.ts";

/**
 * Returns the smallest layout with one number of taps for each kind of mixer and one FFN width that computes
 * the same as `layout` where the added weights are zero: taps before the oldest, and channels between the
 * matrices of an FFN. Windows and heads stay as they are, because zeros cannot fill them up.
 */
export function filledUp(layout: Layout): Layout {
  const taps = new Map<string, number>();
  for (const { mixer } of layout.layers)
    if ("kernel" in mixer) taps.set(mixer.op, Math.max(mixer.kernel, taps.get(mixer.op) ?? 0));
  const width = Math.max(...layout.layers.map(({ ffn }) => ffn.width));
  const filled = (mixer: Mixer): Mixer =>
    "kernel" in mixer ? { ...mixer, kernel: taps.get(mixer.op)! } : mixer;
  const layers = layout.layers.map(({ mixer, ffn }) => ({ mixer: filled(mixer), ffn: { ...ffn, width } }));
  return { ...layout, layers };
}
