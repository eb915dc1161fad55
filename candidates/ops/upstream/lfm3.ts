// The lfm3 architecture: short convolutions, global attention and windows, each with a RoPE of its own, an
// output gate for each head, and norms before and after mixers and FFNs. Sources: transformers
// configuration_lfm3.py and modeling_lfm3.py, llama.cpp src/models/lfm3.cpp.
import { bools, type Entries, f32, i32s, u32 } from "../../gguf/metadata.ts";
import { type Layout, NORM_EPSILON, normsOf } from "../../layout.ts";
import { type Attention, attentionOf } from "../attention.ts";
import { holdsMixers, tapsIn } from "./lfm2.ts";
import {
  attentionIn,
  attentionMetadata,
  commonConfig,
  lfm3Option,
  moesIn,
  refuse,
  same,
  type Upstream,
  unevenFfns,
  windowsIn,
} from "./upstream.ts";

/** The rotation of one kind of attention, in the spelling of transformers. */
function rope({ headDim, rotated, ropeTheta }: Attention) {
  if (rotated === undefined) return { rope_type: "default", rope_theta: ropeTheta };
  // transformers rounds headDim / 2 times the factor down to a number of pairs. Half a channel more keeps the
  // factor's own rounding from losing a pair.
  const factor = rotated / headDim;
  const exact = Math.floor((factor * headDim) / 2) === rotated / 2;
  return {
    rope_type: "proportional",
    rope_theta: ropeTheta,
    partial_rotary_factor: exact ? factor : (rotated + 0.5) / headDim,
  };
}

/** Returns a difference between layers that neither transformers nor llama.cpp expresses, or null. */
function unevenness(layout: Layout): string | null {
  const attention = attentionIn(layout);
  if (attention.length === 0) return "it has no attention layer";
  if (!attention.every(({ qkNorm }) => qkNorm)) return "it has attention without QK-norm";
  const shape = (m: Attention): string => [m.heads, m.kvHeads, m.headDim, m.outputGate].join();
  if (!same(attention.map(shape))) return "its attention layers differ in heads, head size or output gate";
  if (!same(windowsIn(layout))) return "its windows differ in length";
  for (const op of ["gqa", "swa"] as const)
    if (!same(attention.flatMap((m) => (m.op === op ? JSON.stringify(rope(m)) : []))))
      return `its ${op === "gqa" ? "global attention layers" : "windows"} differ in RoPE`;
  if (!same(tapsIn(layout))) return "its convolutions differ in their taps";
  if (!same(layout.layers.map(normsOf))) return "only some of its layers have norms after their parts";
  return unevenFfns(layout);
}

function transformers(layout: Layout, context: number) {
  const uneven = unevenness(layout);
  if (uneven !== null) return refuse(uneven);
  const attention = attentionIn(layout);
  const global = attention.find(({ op }) => op === "gqa");
  const windowed = attention.find(({ op }) => op === "swa");
  const { rope_theta: _theta, ...common } = commonConfig(layout, context);
  const config = {
    architectures: ["Lfm3ForCausalLM"],
    model_type: "lfm3",
    ...common,
    rope_parameters: {
      ...(global && { full_attention: rope(global) }),
      ...(windowed && { sliding_attention: rope(windowed) }),
    },
    // The class's own ids are those of the published tokenizer, which may lie outside the vocabulary.
    pad_token_id: null,
    bos_token_id: null,
    eos_token_id: null,
    norm_eps: NORM_EPSILON,
    conv_bias: false,
    attention_bias: false,
    conv_L_cache: tapsIn(layout)[0]!,
    sliding_window: windowsIn(layout)[0] ?? null,
    use_attention_gate: attention[0]!.outputGate ?? false,
    use_sandwich_norm: normsOf(layout.layers[0]!) === "sandwich",
    layer_types: layout.layers.map(({ mixer }) => {
      const spec = attentionOf(mixer);
      return spec === null ? "conv" : spec.op === "swa" ? "sliding_attention" : "full_attention";
    }),
  };
  return { ok: true, config } as const;
}

/** llama.cpp requires gates and windows, and turns whole heads in windows. Norms after the parts are optional. */
function problem(layout: Layout): string | null {
  const uneven = unevenness(layout);
  if (uneven !== null) return uneven;
  const attention = attentionIn(layout);
  if (!attention[0]!.outputGate) return "its attention has no output gate";
  if (windowsIn(layout).length === 0) return "none of its attention layers has a window";
  return attention.some(({ op, rotated }) => op === "swa" && rotated !== undefined)
    ? "RoPE turns only a part of the heads in its windows, or none"
    : null;
}

const globalIn = (layout: Layout): Attention | undefined =>
  attentionIn(layout).find(({ op }) => op === "gqa");

function metadata(layout: Layout): Entries {
  const windowed = attentionIn(layout).find(({ op }) => op === "swa")!;
  const global = globalIn(layout) ?? windowed;
  // A layer with 0 kv heads is a convolution.
  const kvHeads = layout.layers.map(({ mixer }) => attentionOf(mixer)?.kvHeads ?? 0);
  return [
    ...attentionMetadata(layout, i32s(kvHeads)).filter(([key]) => key !== "rope.freq_base"),
    ["rope.freq_base", f32(global.ropeTheta)],
    ["rope.freq_base_swa", f32(windowed.ropeTheta)],
    // Plans have no data, so this key states the content of rope_freqs.weight. llama.cpp ignores the key.
    ["rope.rotated_count", u32(global.rotated ?? global.headDim)],
    ["attention.sliding_window", u32(windowsIn(layout)[0]!)],
    ["attention.sliding_window_pattern", bools(layout.layers.map(({ mixer }) => mixer.op === windowed.op))],
    ["shortconv.l_cache", u32(tapsIn(layout)[0]!)],
  ];
}

/** LFM3, by Liquid AI. */
export const lfm3 = {
  name: "lfm3",
  finalNorm: "output_norm.weight",
  holds: (layout) => holdsMixers(layout) && moesIn(layout).length === 0 && lfm3Option(layout) !== null,
  problem,
  metadata,
  constants: (layout) => {
    const global = globalIn(layout);
    // Divisors of the frequencies of global attention: 1, or a huge number where a pair does not turn.
    return global === undefined
      ? []
      : [{ name: "rope_freqs.weight", shape: [global.headDim / 2], role: "vector" }];
  },
  transformers,
  transformersNote: () => null,
} as const satisfies Upstream;
