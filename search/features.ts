// Features of a layout for models: numbers of fixed length over a space, in groups that share a relevance.
// They include static costs, because times and memory follow them closely. The models learn the remainder
// from measurements.
import { staticCost } from "../candidates/cost.ts";
import { isAttention, type Layout, normsOf } from "../candidates/layout.ts";
import { formatMixer } from "../candidates/notation.ts";
import { ffnWidthOf } from "../candidates/ops/operator-registry.ts";
import { blocksOf } from "../candidates/sharing.ts";
import type { Space } from "../candidates/space.ts";

export interface Featurizer<C> {
  /** Group of each feature, numbered from 0. */
  readonly groups: readonly number[];
  features(candidate: C): readonly number[];
}

const CONTEXT = 4096;

/** Returns the features of layouts over a space. */
export function layoutFeatures(space: Space): Featurizer<Layout> {
  const tokens = [...new Set(space.palettes.flat().map((mixer) => formatMixer(mixer)))];
  const depth = Math.max(...space.depths);
  const kinds = new Map(tokens.map((token, index) => [token, index]));

  const summary = (layout: Layout): number[] => {
    const places = layout.layers.flatMap((layer, place) => (isAttention(layer) ? [place] : []));
    const length = layout.layers.length;
    const bounds = [-1, ...places, length];
    const gaps = bounds.slice(1).map((place, index) => place - bounds[index]! - 1);
    const mean =
      places.length === 0 ? 0.5 : places.reduce((sum, place) => sum + place, 0) / places.length / length;
    const cost = staticCost(layout, { context: CONTEXT, quantization: "q4_0" });
    return [
      Math.log2(layout.width),
      length,
      Math.log2(Math.max(1, layout.layers.reduce((sum, { ffn }) => sum + ffnWidthOf(ffn), 0) / length)),
      (places[0] ?? length) / length,
      ((places.at(-1) ?? -1) + 1) / length,
      mean,
      Math.max(...gaps) / length,
      Math.log(cost.decodeBytes),
      Math.log(cost.prefillFlops),
      Math.log(cost.residentBytes),
    ];
  };
  const counts = (layout: Layout): number[] => {
    const count = new Array<number>(tokens.length).fill(0);
    for (const { mixer } of layout.layers) {
      const kind = kinds.get(formatMixer(mixer));
      if (kind !== undefined) count[kind]!++;
    }
    return count;
  };
  /**
   * One of `tokens` at each place; repeated layers once. Shallower layouts are stretched over the deepest.
   */
  const placement = (layout: Layout): number[] => {
    const cells = new Array<number>(depth * tokens.length).fill(0);
    const { blocks } = blocksOf(layout.layers);
    for (let place = 0; place < depth; place++) {
      const layer = blocks[Math.floor((place * blocks.length) / depth)]!;
      const kind = kinds.get(formatMixer(layer.mixer));
      if (kind !== undefined) cells[place * tokens.length + kind] = 1;
    }
    return cells;
  };

  // Layouts of a space with one kind of norms do not differ in it.
  const norms = (layout: Layout): number[] =>
    space.norms.length === 1 ? [] : [Number(normsOf(layout.layers[0]!) === "sandwich")];

  /** 1 for the way in which the layout repeats its layers; empty if the space has one way. */
  const ways = space.sharings.length > 1 ? space.sharings : [];
  const repetition = (layout: Layout): number[] => {
    const { sharing } = blocksOf(layout.layers);
    return ways.map((way) => Number(way === sharing));
  };

  const summaryLength = 10 + (space.norms.length === 1 ? 0 : 1);
  /** Features that are each a group. */
  const single = summaryLength + ways.length + tokens.length;
  return {
    groups: [
      ...Array.from({ length: single }, (_, index) => index),
      ...Array.from(
        { length: depth * tokens.length },
        (_, index) => single + Math.floor(index / tokens.length),
      ),
    ],
    features: (layout) => [
      ...summary(layout),
      ...norms(layout),
      ...repetition(layout),
      ...counts(layout),
      ...placement(layout),
    ],
  };
}
