// Layouts known by name: the published LFM2 models (arXiv 2511.23404, table 1 and released
// configurations), and their twins: the same parameter count, but another mixer instead of the convolutions.
// Models that are often compared with them are included.
import { parameterCount } from "./cost.ts";
import type { Layout } from "./layout.ts";
import { parseMixer, parseNotation } from "./notation.ts";
import { ffnOfWidth, type Mixer } from "./ops/operator-registry.ts";
import { solveFfnWidth } from "./solver.ts";

interface Shape {
  readonly vocab: number;
  readonly width: number;
  readonly ffn: number;
  readonly depth: number;
  /** Geometry of the attention layers, in the notation's spelling. */
  readonly geometry: string;
  /** 0-based layers with global attention. */
  readonly attention: readonly number[] | "all";
  /** Mixer of all other layers, in the notation's spelling. */
  readonly others: string;
}

function mixersOf({ depth, attention, others, geometry }: Shape): readonly Mixer[] {
  const attends = (layer: number): boolean => attention === "all" || attention.includes(layer);
  return Array.from({ length: depth }, (_, layer) =>
    parseMixer(attends(layer) ? "g" : others, { h: geometry }),
  );
}

function build(shape: Shape): Layout {
  const layers = mixersOf(shape).map((mixer) => ({ mixer, ffn: ffnOfWidth(shape.ffn) }));
  return { vocab: shape.vocab, width: shape.width, layers };
}

/**
 * Mixers that replace the convolutions in a twin, by the ending of its name and for a model width. The window
 * is that of LFM3. The heads of gdn and linear attention span the width.
 */
const replacements: Readonly<Record<string, (width: number) => string>> = {
  gqa: () => "g",
  swa: () => "s256",
  m2: () => "m2",
  gdn: (width) => `gdn(${width / 128}/${width / 128}x128)`,
  linear: (width) => `lin(${width / 64}x64)`,
};

/** Returns the twins of a model by name. Their FFN width is solved to the model's parameter count (within 1%). */
function twinsOf([name, shape]: readonly [string, Shape]): readonly (readonly [string, Layout])[] {
  const { vocab, width } = shape;
  const parameters = parameterCount(build(shape));
  return Object.entries(replacements).map(([ending, mixer]) => [
    `${name}-${ending}`,
    solveFfnWidth({ vocab, width, mixers: mixersOf({ ...shape, others: mixer(width) }), parameters }),
  ]);
}

const LFM2 = { vocab: 65_536, depth: 16, attention: [2, 5, 8, 10, 12, 14], others: "c3" };
const lfm2Shapes: Readonly<Record<string, Shape>> = {
  "lfm2-350m": { ...LFM2, width: 1024, ffn: 4608, geometry: "16/8x64" },
  "lfm2-700m": { ...LFM2, width: 1536, ffn: 6912, geometry: "24/8x64" },
  "lfm2-1.2b": { ...LFM2, width: 2048, ffn: 8192, geometry: "32/8x64" },
  "lfm2-2.6b": {
    ...LFM2,
    depth: 30,
    attention: [2, 5, 9, 13, 17, 21, 24, 27],
    width: 2048,
    ffn: 10_752,
    geometry: "32/8x64",
  },
};
const lfm2 = Object.fromEntries(Object.entries(lfm2Shapes).map(([name, shape]) => [name, build(shape)]));
/** LFM2-8B-A1B: 8.3 billion parameters, of which a token uses 1.6 billion. */
const lfm2Moe = {
  "lfm2-8b-a1b": parseNotation(
    "v65536 d2048 fmoe(32/4x1792) h32/8x64 : c3~7168 c3~7168 4[g c3 c3 c3] 2[g c3 c3]",
  ),
} as const;
const twins = Object.fromEntries(Object.entries(lfm2Shapes).flatMap(twinsOf));

const others = {
  "qwen3-0.6b": build({
    vocab: 151_936,
    width: 1024,
    ffn: 3072,
    depth: 28,
    geometry: "16/8x128",
    attention: "all",
    others: "g",
  }),
  "llama-3.2-1b": build({
    vocab: 128_256,
    width: 2048,
    ffn: 8192,
    depth: 16,
    geometry: "32/8x64nt500000",
    attention: "all",
    others: "g",
  }),
  // A window of 256 at every fourth layer, with another RoPE base; transformers configuration_lfm3.py.
  "lfm3-1.7b": parseNotation(
    "v128000 d2048 f7680 h16/4x128or64 n2 : c7 c7 g c7 5[s256(16/4x128ot10000) c7 g c7]",
  ),
} as const;

/**
 * The shape of Gemma 3 1B (window of 512, every sixth layer global). The model itself also has norms after its
 * mixers and FFNs, GELU instead of SiLU, and another RoPE base in its windows.
 */
const alike = {
  "gemma-3-1b-like": build({
    vocab: 262_144,
    width: 1152,
    ffn: 6912,
    depth: 26,
    geometry: "4/1x256",
    attention: [5, 11, 17, 23],
    others: "s512",
  }),
} as const;

/** Every named layout. Layouts of published models have the published shapes and exact parameter counts. */
export const namedLayouts: Readonly<Record<string, Layout>> = {
  ...lfm2,
  ...lfm2Moe,
  ...twins,
  ...others,
  ...alike,
};

/** Names of published layouts. Twins, and layouts that are only alike, were not published. */
export const publishedNames: readonly string[] = [
  ...Object.keys({ ...lfm2, ...lfm2Moe }),
  ...Object.keys(others),
];
