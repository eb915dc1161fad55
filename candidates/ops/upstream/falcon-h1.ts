// The falcon-h1 architecture: each layer has attention without QK-norm parallel to Mamba-2, all of one shape.
// The factors of its models are folded into the weights of a GGUF; config.json has them, and here they are 1.
// Sources: llama.cpp src/models/falcon-h1.cpp, transformers configuration_falcon_h1.py.
import { u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON } from "../../layout.ts";
import { attentionOf } from "../attention.ts";
import { mamba2Of } from "../mamba2.ts";
import { partsOf } from "../operator-registry.ts";
import { alike, mamba2Config, mamba2In, mamba2Metadata } from "./mamba2-in.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  refuse,
  type Upstream,
  unevenConfig,
  unevenness,
  unlikeAttention,
} from "./upstream.ts";

const isParallel = ({ mixer }: Layout["layers"][number]): boolean => partsOf(mixer).length > 1;

function problem(layout: Layout): string | null {
  if (!layout.layers.every(isParallel)) return "some of its layers have only one of attention and Mamba-2";
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  if (attentionIn(layout)[0]!.qkNorm) return "its attention parallel to Mamba-2 has QK-norm";
  return unlikeAttention(layout) ?? (alike(layout) ? null : "its Mamba-2 layers differ");
}

function transformers(layout: Layout, context: number) {
  const uneven = unevenConfig(layout);
  if (uneven !== null) return uneven;
  const refused = problem(layout);
  if (refused !== null) return refuse(`transformers' FalconH1 does not express it: ${refused}`);
  const spec = mamba2In(layout)[0]!;
  const config = {
    architectures: ["FalconH1ForCausalLM"],
    model_type: "falcon_h1",
    ...commonConfig(layout, context),
    rms_norm_eps: NORM_EPSILON,
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    projectors_bias: false,
    ...mamba2Config(spec, layout.width),
    mamba_d_ssm: spec.expand * layout.width,
    mamba_rms_norm: true,
    mamba_norm_before_gate: false,
  };
  return { ok: true, config } as const;
}

/** Falcon-H1, by TII. */
export const falconH1 = {
  name: "falcon-h1",
  finalNorm: "output_norm.weight",
  ffnNorm: "ffn_norm",
  holds: (layout) =>
    layout.layers.some(isParallel) &&
    layout.layers.every(({ mixer }) =>
      partsOf(mixer).every((part) => mamba2Of(part) !== null || attentionOf(part) !== null),
    ),
  problem,
  metadata: (layout) => [
    ...attentionMetadata(layout, u32(attentionIn(layout)[0]!.kvHeads)),
    ...mamba2Metadata(layout),
  ],
  transformers,
  transformersNote: () => null,
} as const satisfies Upstream;
