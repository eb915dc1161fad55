// The qwen35 architecture: Gated DeltaNet and attention with an output gate for every channel. A layout's
// attention has no such gate, so the architecture runs it padded: where the gate's rows are zero, every gate is
// 1/2, and an output matrix of twice the values makes up for it. Sources: llama.cpp src/models/qwen35.cpp,
// transformers modeling_qwen3_5.py.
import { i32s, u32 } from "../../gguf/metadata.ts";
import type { Layout } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { type Gdn, gdn, gdnOf } from "../gdn.ts";
import type { PaddedTensor } from "./padding.ts";
import {
  attentionIn,
  attentionMetadata,
  refuse,
  same,
  type Upstream,
  unevenness,
  windowsIn,
} from "./upstream.ts";

const gdnIn = ({ layers }: Layout): readonly Gdn[] => layers.flatMap(({ mixer }) => gdnOf(mixer) ?? []);

/** Returns a property that the architecture cannot express even padded, or null. */
function unpaddable(layout: Layout): string | null {
  const attention = attentionIn(layout);
  const [first] = attention;
  const [spec] = gdnIn(layout);
  if (first === undefined || spec === undefined) return "it has no attention layer beside Gated DeltaNet";
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (!first.qkNorm) return "it has Gated DeltaNet and attention without QK-norm";
  if (windowsIn(layout).length > 0) return "some of its attention layers have a window";
  if (!same(attention.map(({ kvHeads }) => kvHeads))) return "its attention layers differ in kv heads";
  if (!same(gdnIn(layout).map((one) => JSON.stringify(gdn.notation.format(one)))))
    return "its Gated DeltaNet layers differ";
  if (spec.keyDim !== spec.valueDim) return "its key heads and value heads differ in size";
  // llama.cpp's value head h reads key head h mod keyHeads, a layout's floor(h * keyHeads / valueHeads).
  return spec.keyHeads === spec.valueHeads || spec.keyHeads === 1
    ? null
    : "several of its value heads share a key head";
}

const isAttention = (layout: Layout, name: string): boolean => {
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  return layer !== undefined && attentionOf(layout.layers[Number(layer)]!.mixer) !== null;
};

function padded(layout: Layout, tensor: PaddedTensor): PaddedTensor {
  const { name, shape } = tensor;
  if (name.endsWith(".ffn_norm.weight"))
    return { ...tensor, name: name.replace("ffn_norm", "post_attention_norm") };
  if (!isAttention(layout, name)) return tensor;
  if (name.endsWith(".attn_q.weight"))
    return { ...tensor, shape: [shape[0]!, 2 * shape[1]!], group: attentionIn(layout)[0]!.headDim };
  return name.endsWith(".attn_output.weight") ? { ...tensor, factor: 2 } : tensor;
}

/** Qwen 3.5, by Alibaba. */
export const qwen35 = {
  name: "qwen35",
  finalNorm: "output_norm.weight",
  holds: ({ layers }) =>
    layers.some(({ mixer }) => gdnOf(mixer) !== null) &&
    layers.every(({ mixer }) => gdnOf(mixer) !== null || attentionOf(mixer) !== null),
  problem: (layout) => unpaddable(layout) ?? "its attention has no output gate for every channel",
  unpaddable,
  padded,
  metadata: (layout) => {
    const [first] = attentionIn(layout);
    const [spec] = gdnIn(layout);
    const pairs = first!.headDim / 2;
    const recurrent = layout.layers.map(({ mixer }) => (gdnOf(mixer) === null ? 0 : 1));
    return [
      ...attentionMetadata(layout, u32(first!.kvHeads)),
      // Pair i has the position of section i mod 3 if it is among that section's pairs, else the fourth, which is
      // 0 for text. So every pair must be in its section.
      ["rope.dimension_sections", i32s([...[0, 1, 2].map((first) => Math.ceil((pairs - first) / 3)), 0])],
      ["attention.recurrent_layers", i32s(recurrent)],
      ...gdn.keys.map(({ key, of }) => [key, u32(Number(of(spec!, layout.width)))] as const),
    ];
  },
  transformers: () =>
    refuse("Gated DeltaNet beside attention without an output gate, which transformers' Qwen3_5 always has"),
  transformersNote: () => null,
} as const satisfies Upstream;
