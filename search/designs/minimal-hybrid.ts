// The layouts of the minimal-hybrid study (arXiv 2511.23404), with 16 layers, from a declared space. They
// vary the number of attention layers, their places, and the mixers between them. Every layout meets the
// space's parameter budget. The most informative come first, because a small budget trains only those.
import { InvalidInputError } from "../../candidates/errors.ts";
import { isGlobalAttention, isWindowAttention, type Layout, normsField } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatKind, formatMixer } from "../../candidates/notation.ts";
import { type Mixer, traitsOf } from "../../candidates/ops/operator-registry.ts";
import type { Space } from "../../candidates/space.ts";

export const DEPTH = 16;
export const COUNTS: readonly number[] = [0, 1, 2, 4, 6, 8, 16];

export interface Designed {
  readonly label: string;
  readonly group: "count" | "published" | "placement" | "local";
  readonly layout: Layout;
}

/** Places of n attention layers, spread evenly over the depth. */
const spread = (n: number): readonly number[] =>
  Array.from({ length: n }, (_, index) => Math.floor(((index + 0.5) * DEPTH) / n));
const run = (from: number, n: number): readonly number[] =>
  Array.from({ length: n }, (_, index) => from + index);

const published = namedLayouts["lfm2-350m"]!.layers.flatMap((layer, place) =>
  isGlobalAttention(layer) ? [place] : [],
);

export const PUBLISHED_LABEL = "LFM2-350M pattern";
/** Returns the label of a layout by its number of attention layers. */
export const countLabel = (n: number): string => (n === 1 ? "1 attention layer" : `${n} attention layers`);

/**
 * Returns the study's layouts. Throws InvalidInputError (`bad-study`) where the space lacks something that
 * the study compares.
 */
export function minimalHybridDesign(space: Space): readonly Designed[] {
  const refuse = (what: string): never => {
    throw new InvalidInputError("bad-study", `the minimal-hybrid study needs ${what} in its space`);
  };
  if (!space.depths.includes(DEPTH)) refuse(`depth ${DEPTH}`);
  const palette = space.palettes[0]!;
  const find = (test: (layer: { readonly mixer: Mixer }) => boolean, what: string): Mixer =>
    palette.find((mixer) => test({ mixer })) ?? refuse(what);
  const attention = find(isGlobalAttention, "full attention (g)");
  const conv = find(({ mixer }) => formatKind(mixer) === "c3", "the convolution c3");
  const window = find(isWindowAttention, "sliding-window attention (s<window>)");
  const kernels = palette.filter((mixer) => {
    const { reach, lookup } = traitsOf(mixer);
    return Number.isFinite(reach) && !lookup && mixer !== conv;
  });
  if (kernels.length === 0) refuse("a second convolution kernel size");
  const build = (places: readonly number[], global: Mixer, local: Mixer): Layout => {
    const mixers = run(0, DEPTH).map((place) => (places.includes(place) ? global : local));
    const ffn = space.ffns === null ? {} : { ffn: space.ffns[0]! };
    const realized = space.realize({
      width: space.widths[0]!,
      mixers,
      ...ffn,
      ...normsField(space.norms[0]!),
    });
    return realized.ok ? realized.layout : refuse(`every layout of the study (${realized.reason})`);
  };
  const windowName = formatKind(window);
  const windowLabel = `pattern with ${windowName} for c3`;
  const placed = (label: string, places: readonly number[]): Designed => ({
    label,
    group: "placement",
    layout: build(places, attention, conv),
  });
  const local = (label: string, layout: Layout): Designed => ({ label, group: "local", layout });
  return [
    { label: PUBLISHED_LABEL, group: "published", layout: build(published, attention, conv) },
    ...COUNTS.map(
      (n): Designed => ({
        label: countLabel(n),
        group: "count",
        layout: build(spread(n), attention, conv),
      }),
    ),
    local(windowLabel, build(published, attention, window)),
    placed("2 early", run(0, 2)),
    placed("2 late", run(DEPTH - 2, 2)),
    placed("6 early, dense", run(0, 6)),
    placed("6 middle, dense", run(5, 6)),
    placed("6 late, dense", run(DEPTH - 6, 6)),
    ...kernels.map((kernel) =>
      local(`pattern with ${formatMixer(kernel)} for c3`, build(published, attention, kernel)),
    ),
    local(`pattern with ${windowName} for g`, build(published, window, conv)),
    local(`${windowName} everywhere`, build([], attention, window)),
  ];
}
