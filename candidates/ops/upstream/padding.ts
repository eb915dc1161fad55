// Padding: engines with one size for all layers run a layout of several sizes, if its smaller weights are
// filled up with zeros. This file says which zeros; runner/runtimes/padded-file.ts writes them.
import type { Layer, Layout } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import type { TensorSpec } from "../operator.ts";
import { mixerOf, partsOf, type SingleMixer } from "../operator-registry.ts";
import { swigluOf } from "../swiglu.ts";

/** A tensor of a padded file, and how its values follow from a tensor of the exact file. */
export interface PaddedTensor extends TensorSpec {
  /** The tensor of the exact file. Its values appear in their order, with zeros between them. Null: all are zero. */
  readonly from: TensorSpec | null;
  /** Zeros before the values of each row. The rest of the row's zeros come after them. */
  readonly zerosBefore: number;
  /** Rows of `from` that stay together. Each group is followed by its share of the added rows, all zero. */
  readonly group: number;
  /**
   * True if the rows of a group, those of one head, change their order: RoPE turns the pairs (2i, 2i+1) in the
   * padded file, (i, i + hd/2) in the exact one.
   */
  readonly inPairs: boolean;
  /** Factor of all values. */
  readonly factor: 1 | 2;
}

/** Returns the mixers of a layer, and the one that is missing beside it where other layers have a pair. */
function completed(mixers: readonly SingleMixer[], pair: readonly SingleMixer[]): readonly SingleMixer[] {
  const place = mixers.length > 1 ? -1 : pair.findIndex(({ op }) => op === mixers[0]!.op);
  return place < 0 ? mixers : pair.with(place, mixers[0]!);
}

/**
 * Returns the smallest layout with one number of taps for each kind of mixer, one SwiGLU width and as many
 * parallel mixers in all layers that computes the same as `layout` where the added weights are zero: taps
 * before the oldest, channels between the matrices of an FFN, and whole mixers. Windows and heads stay as they
 * are, because zeros cannot fill them up.
 */
export function filledUp(layout: Layout): Layout {
  const pair = layout.layers.map(({ mixer }) => partsOf(mixer)).find(({ length }) => length > 1) ?? [];
  const taps = new Map<string, number>();
  for (const mixer of layout.layers.flatMap((layer) => partsOf(layer.mixer)))
    if ("kernel" in mixer) taps.set(mixer.op, Math.max(mixer.kernel, taps.get(mixer.op) ?? 0));
  const width = Math.max(...layout.layers.flatMap(({ ffn }) => swigluOf(ffn)?.width ?? []));
  const filled = (mixer: SingleMixer): SingleMixer =>
    "kernel" in mixer ? { ...mixer, kernel: taps.get(mixer.op)! } : mixer;
  const layers = layout.layers.map((layer): Layer => {
    const dense = swigluOf(layer.ffn);
    const mixer = mixerOf(completed(partsOf(layer.mixer), pair).map(filled))!;
    return { ...layer, mixer, ffn: dense === null ? layer.ffn : { ...dense, width } };
  });
  return { ...layout, layers };
}

/** Returns a tensor of a layout with the rows of queries and keys in pairs; other tensors as they are. */
export function inPairs(layout: Layout, tensor: PaddedTensor): PaddedTensor {
  const layer = /^blk\.(\d+)\.attn_[qk]\.weight$/.exec(tensor.name)?.[1];
  const attention = layer === undefined ? null : attentionOf(layout.layers[Number(layer)]!.mixer);
  return attention === null ? tensor : { ...tensor, group: attention.headDim, inPairs: true };
}

/**
 * Returns the tensors of a filled-up layout. `exact` has those of the exact file, and `named` the same by the
 * names that they have in `larger`.
 */
export function paddedTensors(
  exact: readonly TensorSpec[],
  named: readonly TensorSpec[],
  larger: readonly TensorSpec[],
): readonly PaddedTensor[] {
  const sources = new Map(named.map(({ name }, index) => [name, exact[index]!]));
  return larger.map((tensor): PaddedTensor => {
    const from = sources.get(tensor.name) ?? null;
    const [columns, rows = 1] = (from ?? tensor).shape;
    // Vectors of several columns a row are taps; the last tap multiplies the newest value.
    const zerosBefore = tensor.role === "vector" && rows > 1 ? tensor.shape[0]! - columns! : 0;
    return { ...tensor, from, zerosBefore, group: rows, inPairs: false, factor: 1 };
  });
}
