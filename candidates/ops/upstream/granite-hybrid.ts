// The granitehybrid architecture: Mamba-2 of one shape, and attention without QK-norm. llama.cpp's loader aborts
// unless the expansion is 2. Its factors of embedding, residual, attention and logits are left out, which
// means 1 (of attention: 1 / sqrt(head size)). Sources: llama.cpp src/models/granite-hybrid.cpp, transformers
// configuration_granitemoehybrid.py.
import { i32s } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { mamba2Of } from "../mamba2.ts";
import { alike, mamba2Config, mamba2In, mamba2Metadata } from "./mamba2-in.ts";
import { inPairs } from "./padding.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  distinct,
  refuse,
  type Upstream,
  unevenConfig,
  unevenness,
  windowsIn,
  withoutFfns,
} from "./upstream.ts";

const EXPANSION = 2;

function problem(layout: Layout): string | null {
  const [first] = attentionIn(layout);
  if (first === undefined) return "it has no attention layer";
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (first.qkNorm) return "it has Mamba-2 and attention with QK-norm";
  if (windowsIn(layout).length > 0) return "some of its attention layers have a window";
  if (!alike(layout)) return "its Mamba-2 layers differ";
  const expansions = distinct(mamba2In(layout).map(({ expand }) => expand)).join();
  return expansions === String(EXPANSION)
    ? null
    : `its Mamba-2 layers have an expansion of ${expansions}, not ${EXPANSION}`;
}

function transformers(layout: Layout, context: number) {
  const [first] = attentionIn(layout);
  const [spec] = mamba2In(layout);
  if (first === undefined) return refuse("no attention layer beside Mamba-2");
  const uneven = unevenConfig(layout);
  if (uneven !== null) return uneven;
  if (first.qkNorm) return refuse("Mamba-2 beside QK-norm: transformers' GraniteMoeHybrid has no QK-norm");
  if (windowsIn(layout).length > 0)
    return refuse("Mamba-2 beside windows: transformers' GraniteMoeHybrid has no windows");
  if (spec === undefined || !alike(layout)) return refuse("Mamba-2 layers of different shapes");
  if (!Number.isInteger(spec.expand))
    return refuse(`an expansion of ${spec.expand}: transformers' GraniteMoeHybrid needs a whole number`);
  const { intermediate_size, ...common } = commonConfig(layout, context);
  const config = {
    architectures: ["GraniteMoeHybridForCausalLM"],
    model_type: "granitemoehybrid",
    ...common,
    rms_norm_eps: NORM_EPSILON,
    hidden_act: "silu",
    attention_bias: false,
    // Factors of Granite's own models. Without experts, the FFN is the one that experts share.
    attention_multiplier: first.headDim ** -0.5,
    embedding_multiplier: 1,
    residual_multiplier: 1,
    logits_scaling: 1,
    num_local_experts: 0,
    num_experts_per_tok: 0,
    shared_intermediate_size: intermediate_size,
    position_embedding_type: "rope",
    // transformers 5 renames these two itself; earlier versions know no others.
    layer_types: layout.layers.map(({ mixer }) => (mamba2Of(mixer) === null ? "attention" : "mamba")),
    mamba_expand: spec.expand,
    ...mamba2Config(spec, layout.width),
  };
  return { ok: true, config } as const;
}

/** Granite 4 hybrids, by IBM. */
export const graniteHybrid = {
  name: "granitehybrid",
  finalNorm: "output_norm.weight",
  holds: (layout) =>
    !withoutFfns(layout) &&
    layout.layers.some(({ mixer }) => mamba2Of(mixer) !== null) &&
    layout.layers.every(({ mixer }) => mamba2Of(mixer) !== null || attentionOf(mixer) !== null),
  problem,
  padded: inPairs,
  metadata: (layout) => {
    // A layer with 0 kv heads is Mamba-2.
    const kvHeads = layout.layers.map(({ mixer }) => attentionOf(mixer)?.kvHeads ?? 0);
    return [...attentionMetadata(layout, i32s(kvHeads)), ...mamba2Metadata(layout)];
  },
  transformers,
  transformersNote: () => null,
} as const satisfies Upstream;
