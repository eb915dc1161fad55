// The lfm2moe architecture: the mixers of lfm2, dense FFNs in the first layers, and mixtures of experts of one
// shape in all others. Sources: llama.cpp src/models/lfm2moe.cpp, transformers configuration_lfm2_moe.py.
import { u32 } from "../../gguf/metadata.ts";
import type { Layout } from "../../layout.ts";
import { moe } from "../moe.ts";
import {
  holdsMixers,
  mixerConfig,
  mixerMetadata,
  mixerProblem,
  refusedMixers,
  transformersNote,
} from "./lfm2.ts";
import { denseWidthsIn, lfm3Option, moesIn, refuse, same, type Upstream, windowsIn } from "./upstream.ts";

/** llama.cpp's number for scores by sigmoid (LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID). */
const SIGMOID = 2;

/** Returns a property of the FFNs that the architecture cannot express, or null. */
function ffnProblem(layout: Layout): string | null {
  const dense = denseWidthsIn(layout);
  const experts = moesIn(layout);
  if (!same(experts.map((spec) => moe.notation.format(spec).argument)))
    return "its mixtures of experts differ";
  if (!same(dense)) return "its dense FFNs differ in width";
  const leading = { layers: layout.layers.slice(0, dense.length) };
  return dense.length + experts.length === layout.layers.length &&
    denseWidthsIn({ ...layout, ...leading }).length === dense.length
    ? null
    : "it has mixtures of experts, and other FFNs after the first of them";
}

/** LFM2 with mixtures of experts, by Liquid AI. */
export const lfm2moe = {
  name: "lfm2moe",
  finalNorm: "token_embd_norm.weight",
  holds: (layout) => holdsMixers(layout) && moesIn(layout).length > 0 && lfm3Option(layout) === null,
  problem: (layout) =>
    mixerProblem(layout) ??
    ffnProblem(layout) ??
    (windowsIn(layout).length > 0 ? "it has mixtures of experts, and attention over a window" : null),
  metadata: (layout) => [
    ...mixerMetadata(layout),
    ...moe.keys.map(({ key, of }) => [key, u32(of(moesIn(layout)[0]!))] as const),
    ["leading_dense_block_count", u32(denseWidthsIn(layout).length)],
    ["expert_gating_func", u32(SIGMOID)],
  ],
  transformers: (layout, context) => {
    const refused = refusedMixers(layout);
    if (refused !== null) return refused;
    const problem = ffnProblem(layout);
    if (problem !== null) return refuse(problem);
    const [spec] = moesIn(layout);
    // Left out: routed_scaling_factor, 1 in the class. transformers wants 1.0 there, which JSON.stringify cannot write.
    const config = {
      architectures: ["Lfm2MoeForCausalLM"],
      model_type: "lfm2_moe",
      ...mixerConfig(layout, context),
      num_dense_layers: denseWidthsIn(layout).length,
      moe_intermediate_size: spec!.width,
      num_experts: spec!.experts,
      num_experts_per_tok: spec!.used,
      norm_topk_prob: true,
      use_expert_bias: true,
      tie_embedding: true,
    };
    return { ok: true, config };
  },
  transformersNote,
} as const satisfies Upstream;
