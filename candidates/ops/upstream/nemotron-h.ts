// The nemotron_h architecture: each block is Mamba-2 of one shape, attention without positions, or an FFN. Its
// FFNs are ReLU^2, which no layout has, so it expresses layouts without FFNs. Source: llama.cpp
// src/models/nemotron-h.cpp.
import { f32, i32s, u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON, normsOf } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { mamba2Of } from "../mamba2.ts";
import { alike, mamba2In, mamba2Metadata } from "./mamba2-in.ts";
import { attentionIn, refuse, same, type Upstream, windowsIn, withoutFfns } from "./upstream.ts";

function problem(layout: Layout): string | null {
  const attention = attentionIn(layout);
  if (attention.some(({ rotated }) => rotated !== 0)) return "it has no FFNs, and attention with RoPE";
  if (attention.some(({ qkNorm }) => qkNorm)) return "it has no FFNs, and attention with QK-norm";
  if (attention.some(({ outputGate }) => outputGate)) return "its attention has an output gate";
  if (windowsIn(layout).length > 0) return "some of its attention layers have a window";
  if (layout.layers.some((layer) => normsOf(layer) === "sandwich")) return "it has norms after its mixers";
  if (!same(attention.map((spec) => [spec.heads, spec.headDim].join())))
    return "its attention layers differ in heads or head size";
  return alike(layout) ? null : "its Mamba-2 layers differ";
}

/** Nemotron-H, by NVIDIA. */
export const nemotronH = {
  name: "nemotron_h",
  finalNorm: "output_norm.weight",
  holds: (layout) =>
    withoutFfns(layout) &&
    mamba2In(layout).length > 0 &&
    attentionIn(layout).length > 0 &&
    layout.layers.every(({ mixer }) => mamba2Of(mixer) !== null || attentionOf(mixer) !== null),
  problem,
  metadata: (layout) => {
    const [first] = attentionIn(layout);
    return [
      // A layer with neither kv heads nor an FFN is Mamba-2.
      ["feed_forward_length", i32s(layout.layers.map(() => 0))],
      ["attention.head_count", u32(first!.heads)],
      ["attention.head_count_kv", i32s(layout.layers.map(({ mixer }) => attentionOf(mixer)?.kvHeads ?? 0))],
      ["attention.key_length", u32(first!.headDim)],
      ["attention.value_length", u32(first!.headDim)],
      // The loader asks for this key as well as for that of RMS norms.
      ["attention.layer_norm_epsilon", f32(NORM_EPSILON)],
      ...mamba2Metadata(layout),
    ];
  },
  transformers: () =>
    refuse(
      "Mamba-2 and attention without FFNs: transformers' NemotronH never ties its output to the token table",
    ),
  transformersNote: () => null,
} as const satisfies Upstream;
