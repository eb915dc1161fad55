// Layouts known by name: the published LFM2 dense models (arXiv 2511.23404, table 1 and released
// configurations), and their all-attention twins at the same parameter count. Two all-attention models often
// compared with them are included.
import { parameterCount } from "./cost.ts";
import { isAttention, type Layout } from "./layout.ts";
import { parseMixer } from "./notation.ts";
import { ffnOfWidth, type Mixer } from "./ops/operator-registry.ts";
import { solveFfnWidth } from "./solver.ts";

interface Shape {
  readonly vocab: number;
  readonly width: number;
  readonly ffn: number;
  readonly depth: number;
  /** Geometry of the attention layers, in the notation's spelling. */
  readonly geometry: string;
  /** 0-based layers with attention; the others are convolutions of 3 taps. */
  readonly attention: readonly number[] | "all";
}

function build(shape: Shape): Layout {
  const attends = (layer: number): boolean => shape.attention === "all" || shape.attention.includes(layer);
  return {
    vocab: shape.vocab,
    width: shape.width,
    layers: Array.from({ length: shape.depth }, (_, layer) => ({
      mixer: parseMixer(attends(layer) ? "g" : "c3", { h: shape.geometry }),
      ffn: ffnOfWidth(shape.ffn),
    })),
  };
}

/**
 * The same model with attention in every layer. Its FFN width is solved to the same parameter count (within
 * 1%).
 */
function allAttentionTwin(layout: Layout): Layout {
  const attention = layout.layers.find(isAttention)!.mixer;
  const mixers: Mixer[] = layout.layers.map(() => attention);
  return solveFfnWidth({
    vocab: layout.vocab,
    width: layout.width,
    mixers,
    parameters: parameterCount(layout),
  });
}

const LFM2 = { vocab: 65_536, depth: 16, attention: [2, 5, 8, 10, 12, 14] };
const lfm2 = {
  "lfm2-350m": build({ ...LFM2, width: 1024, ffn: 4608, geometry: "16/8x64" }),
  "lfm2-700m": build({ ...LFM2, width: 1536, ffn: 6912, geometry: "24/8x64" }),
  "lfm2-1.2b": build({ ...LFM2, width: 2048, ffn: 8192, geometry: "32/8x64" }),
  "lfm2-2.6b": build({
    ...LFM2,
    depth: 30,
    attention: [2, 5, 9, 13, 17, 21, 24, 27],
    width: 2048,
    ffn: 10_752,
    geometry: "32/8x64",
  }),
} as const;

const twins = Object.fromEntries(
  Object.entries(lfm2).map(([name, layout]) => [`${name}-gqa`, allAttentionTwin(layout)]),
);

const others = {
  "qwen3-0.6b": build({
    vocab: 151_936,
    width: 1024,
    ffn: 3072,
    depth: 28,
    geometry: "16/8x128",
    attention: "all",
  }),
  "llama-3.2-1b": build({
    vocab: 128_256,
    width: 2048,
    ffn: 8192,
    depth: 16,
    geometry: "32/8x64nt500000",
    attention: "all",
  }),
} as const;

/** Every named layout. Layouts of published models have the published shapes and exact parameter counts. */
export const namedLayouts: Readonly<Record<string, Layout>> = { ...lfm2, ...twins, ...others };

/** Names of published layouts. Twins are our own and were not published. */
export const publishedNames: readonly string[] = [...Object.keys(lfm2), ...Object.keys(others)];
