// The granitehybrid architecture: Mamba-2 of one shape, and attention without QK-norm. llama.cpp's loader aborts
// unless the expansion is 2. Its factors of embedding, residual, attention and logits are left out, which
// means 1 (of attention: 1 / sqrt(head size)). Source: llama.cpp src/models/granite-hybrid.cpp.
import { i32s, u32 } from "../../gguf/metadata.ts";
import type { Layout } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { type Mamba2, mamba2, mamba2Of } from "../mamba2.ts";
import {
  attentionIn,
  attentionMetadata,
  distinct,
  refuse,
  same,
  type Upstream,
  unevenness,
  windowsIn,
} from "./upstream.ts";

const EXPANSION = 2;

const mamba2In = ({ layers }: Layout): readonly Mamba2[] =>
  layers.flatMap(({ mixer }) => mamba2Of(mixer) ?? []);

function problem(layout: Layout): string | null {
  const [first] = attentionIn(layout);
  if (first === undefined) return "it has no attention layer";
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (first.qkNorm) return "it has Mamba-2 and attention with QK-norm";
  if (windowsIn(layout).length > 0) return "some of its attention layers have a window";
  const shapes = mamba2In(layout);
  if (!same(shapes.map((spec) => JSON.stringify(mamba2.notation.format(spec)))))
    return "its Mamba-2 layers differ";
  const expansions = distinct(shapes.map(({ expand }) => expand)).join();
  return expansions === String(EXPANSION)
    ? null
    : `its Mamba-2 layers have an expansion of ${expansions}, not ${EXPANSION}`;
}

/** Granite 4 hybrids, by IBM. */
export const graniteHybrid = {
  name: "granitehybrid",
  finalNorm: "output_norm.weight",
  holds: ({ layers }) =>
    layers.some(({ mixer }) => mamba2Of(mixer) !== null) &&
    layers.every(({ mixer }) => mamba2Of(mixer) !== null || attentionOf(mixer) !== null),
  problem,
  metadata: (layout) => {
    const [spec] = mamba2In(layout);
    // A layer with 0 kv heads is Mamba-2.
    const kvHeads = layout.layers.map(({ mixer }) => attentionOf(mixer)?.kvHeads ?? 0);
    return [
      ...attentionMetadata(layout, i32s(kvHeads)),
      ...mamba2.keys.map(({ key, of }) => [key, u32(of(spec!, layout.width))] as const),
    ];
  },
  transformers: () => refuse("Mamba-2: edgefront writes no config.json of transformers for it yet"),
  transformersNote: () => null,
} as const satisfies Upstream;
