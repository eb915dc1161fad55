// A layout as a picture: one column per layer, the mixer above, the FFN's width as a bar below. Colour is
// never the only mark: a convolution shows its taps, a window its length, global attention a G, and each kind
// has its own height. Parallel mixers share the height.
import { type Layer, type Layout, normsOf } from "../../candidates/layout.ts";
import { formatFfn } from "../../candidates/notation.ts";
import { ffnWidthOf, mixers, operatorOf, partsOf } from "../../candidates/ops/operator-registry.ts";
import { type Html, html } from "../text.ts";

const CELL = 22;
const GAP = 2;
const MIXER_HEIGHT = 26;
const FFN_HEIGHT = 14;

/** Returns the marks of a layer's mixers, one below the other, and what they mean. */
function mixerMarks(
  { mixer }: Layer,
  x: number,
): { readonly marks: readonly Html[]; readonly title: string } {
  const parts = partsOf(mixer);
  const share = MIXER_HEIGHT / parts.length;
  const titles: string[] = [];
  const marks = parts.map((part, index) => {
    const { tone, height, mark } = operatorOf(part).picture;
    const { text, title } = mark(part);
    titles.push(title);
    const [tall, bottom] = [height / parts.length, (index + 1) * share];
    return html`<g class="${tone}"><rect x="${x}" y="${bottom - tall}" width="${CELL - GAP}" height="${tall}" rx="2.5"/><text x="${x + (CELL - GAP) / 2}" y="${bottom - tall / 2}" class="${text.length > 2 ? "long" : ""}">${text}</text></g>`;
  });
  return { marks, title: titles.join("; beside it ") };
}

/**
 * Returns the picture. `widest` is the FFN width that fills the bar, so that several strips share a scale.
 */
export function layerStrip(layout: Layout, widest: number, label: string): Html {
  const width = layout.layers.length * CELL - GAP;
  const cells = layout.layers.map((layer, index) => {
    const x = index * CELL;
    const { marks, title } = mixerMarks(layer, x);
    const norms = normsOf(layer) === "sandwich" ? "; norms before and after both" : "";
    const bar = Math.max(1, (ffnWidthOf(layer.ffn) / widest) * FFN_HEIGHT);
    return html`<g><title>layer ${index}: ${title}; FFN ${formatFfn(layer.ffn)}${norms}</title>${marks}<rect class="ffn" x="${x}" y="${MIXER_HEIGHT + 3}" width="${CELL - GAP}" height="${bar.toFixed(1)}" rx="1.5"/></g>`;
  });
  return html`<svg class="strip" role="img" aria-label="${label}" viewBox="0 0 ${width} ${MIXER_HEIGHT + 3 + FFN_HEIGHT}" width="${width}" height="${MIXER_HEIGHT + 3 + FFN_HEIGHT}">${cells}</svg>`;
}

const legendEntries = mixers
  .map(({ picture }) => picture)
  .sort((a, b) => a.height - b.height)
  .map(({ tone, legend }) => html`<li><span class="key ${tone}"></span>${legend}</li>\n`);

/** The meaning of a strip's shapes, shown once for all strips. */
export const stripLegend: Html = html`<ul class="legend">
${legendEntries}<li><span class="key ffn"></span>FFN width</li>
</ul>`;
