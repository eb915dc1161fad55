// A layout as a picture: one column a layer, the mixer above, the FFN's width as a bar below. Colour is never alone: a
// convolution shows its taps, a window its length, global attention a G, and each kind has its own height.
import type { Layer, Layout } from "../../candidates/layout.ts";
import { formatContext } from "../format.ts";
import { type Html, html } from "../text.ts";

const CELL = 22;
const GAP = 2;
const MIXER_HEIGHT = 26;
const FFN_HEIGHT = 14;

interface Mark {
  readonly kind: "conv" | "gqa" | "swa";
  readonly text: string;
  readonly height: number;
  readonly title: string;
}

function mark({ mixer }: Layer): Mark {
  switch (mixer.op) {
    case "conv":
      return {
        kind: "conv",
        text: String(mixer.kernel),
        height: 16,
        title: `convolution, ${mixer.kernel} taps`,
      };
    case "swa":
      return {
        kind: "swa",
        text: formatContext(mixer.window),
        height: 21,
        title: `attention over a window of ${mixer.window}, ${mixer.heads}/${mixer.kvHeads} heads of ${mixer.headDim}`,
      };
    case "gqa":
      return {
        kind: "gqa",
        text: "G",
        height: MIXER_HEIGHT,
        title: `global attention, ${mixer.heads}/${mixer.kvHeads} heads of ${mixer.headDim}`,
      };
  }
}

/** `widest` is the FFN width that fills the bar, so that several strips share a scale. */
export function layerStrip(layout: Layout, widest: number, label: string): Html {
  const width = layout.layers.length * CELL - GAP;
  const cells = layout.layers.map((layer, index) => {
    const { kind, text, height, title } = mark(layer);
    const x = index * CELL;
    const bar = Math.max(1, (layer.ffn.width / widest) * FFN_HEIGHT);
    return html`<g class="${kind}"><title>layer ${index}: ${title}; FFN ${layer.ffn.width}</title><rect x="${x}" y="${MIXER_HEIGHT - height}" width="${CELL - GAP}" height="${height}" rx="2.5"/><text x="${x + (CELL - GAP) / 2}" y="${MIXER_HEIGHT - height / 2}" class="${text.length > 2 ? "long" : ""}">${text}</text><rect class="ffn" x="${x}" y="${MIXER_HEIGHT + 3}" width="${CELL - GAP}" height="${bar.toFixed(1)}" rx="1.5"/></g>`;
  });
  return html`<svg class="strip" role="img" aria-label="${label}" viewBox="0 0 ${width} ${MIXER_HEIGHT + 3 + FFN_HEIGHT}" width="${width}" height="${MIXER_HEIGHT + 3 + FFN_HEIGHT}">${cells}</svg>`;
}

/** What the shapes of a strip mean; shown once beside all strips. */
export const stripLegend: Html = html`<ul class="legend">
<li><span class="key conv"></span>convolution, number of taps</li>
<li><span class="key swa"></span>attention over a window, its length</li>
<li><span class="key gqa"></span>G: attention over everything</li>
<li><span class="key ffn"></span>FFN width</li>
</ul>`;
