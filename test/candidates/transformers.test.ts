// Configurations of transformers as layouts: published ones in both spellings, our own read back, and
// refusals of what a layout cannot express.
import { describe, expect, it } from "vitest";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { ffnWidthOf } from "../../candidates/ops/operator-registry.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { layoutOfTransformersConfig } from "../../candidates/transformers/read-config.ts";

// LiquidAI/LFM2-350M as first published: the FFN width before the factor 2/3, attention by index.
const PUBLISHED = {
  architectures: ["Lfm2ForCausalLM"],
  block_auto_adjust_ff_dim: true,
  block_dim: 1024,
  block_ff_dim: 6656,
  block_ffn_dim_multiplier: 1.0,
  block_multiple_of: 256,
  block_use_swiglu: true,
  conv_L_cache: 3,
  conv_bias: false,
  conv_dim: 1024,
  full_attn_idxs: [2, 5, 8, 10, 12, 14],
  hidden_size: 1024,
  model_type: "lfm2",
  num_attention_heads: 16,
  num_heads: 16,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  rope_theta: 1000000.0,
  tie_embedding: true,
  vocab_size: 65536,
};
const without = (config: object, ...keys: string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key)));
const read = (config: object): string => formatNotation(layoutOfTransformersConfig(config));
const published = formatNotation(namedLayouts["lfm2-350m"]!);

describe("lfm2", () => {
  const types = Array.from({ length: 16 }, (_, i) =>
    PUBLISHED.full_attn_idxs.includes(i) ? "full_attention" : "conv",
  );
  it.each([
    ["as published", PUBLISHED],
    ["by layer types", { ...without(PUBLISHED, "full_attn_idxs"), layer_types: types }],
    ["by both", { ...PUBLISHED, layer_types: types }],
    ["by block_dim alone", without(PUBLISHED, "hidden_size")],
    ["by hidden_size alone", without(PUBLISHED, "block_dim", "conv_dim")],
    ["by num_heads alone", without(PUBLISHED, "num_attention_heads")],
    ["by intermediate_size", { ...without(PUBLISHED, "block_ff_dim"), intermediate_size: 6656 }],
    ["by its class alone", without(PUBLISHED, "model_type")],
    [
      "by defaults",
      without(
        PUBLISHED,
        "rope_theta",
        "conv_L_cache",
        "block_multiple_of",
        "block_auto_adjust_ff_dim",
        "tie_embedding",
        "block_ffn_dim_multiplier",
      ),
    ],
    [
      "by rope_parameters",
      { ...without(PUBLISHED, "rope_theta"), rope_parameters: { rope_type: "default", rope_theta: 1e6 } },
    ],
    ["by theta", { ...without(PUBLISHED, "rope_theta"), theta: 1e6 }],
    ["with the final width", { ...PUBLISHED, block_ff_dim: 4608, block_auto_adjust_ff_dim: false }],
    [
      "with null for what is not set",
      { ...PUBLISHED, layer_types: null, rope_scaling: null, block_ffn_dim_multiplier: null, head_dim: null },
    ],
  ])("is read %s", (_how, config) => {
    expect(read(config)).toBe(published);
  });

  it.each([
    [{ block_ff_dim: 1000, block_multiple_of: 64 }, 704],
    [{ block_ff_dim: 1000, block_multiple_of: 48, block_ffn_dim_multiplier: 1.5 }, 1008],
    [{ block_ff_dim: 10240 }, 6912],
    [{ block_ff_dim: 12288 }, 8192],
  ])("makes the FFN width of %o as transformers does", (change, width) => {
    expect(ffnWidthOf(layoutOfTransformersConfig({ ...PUBLISHED, ...change }).layers[0]!.ffn)).toBe(width);
  });
});

const names = Object.keys(namedLayouts);
const withoutClass = names.filter((name) => !huggingFaceConfig(namedLayouts[name]!).ok);

it("every named layout has a configuration, except those with Mamba-2 or Gated DeltaNet", () => {
  expect(withoutClass).toEqual(names.filter((name) => /-(m2|gdn|linear)$/.test(name)));
  expect(huggingFaceConfig(namedLayouts["lfm2-350m-m2"]!)).toMatchObject({
    reason: expect.stringContaining("Mamba-2"),
  });
});

describe("our own configuration comes back as the same layout", () => {
  it.each([
    ...names.filter((name) => !withoutClass.includes(name)),
    "v4096 d512 f1344 h8/2x64 : c3 c3 g c3 c3 g",
    "v512 d64 f129 h4/2x32 : c5 g g c5",
    "v512 d64 f128 h4/2x16t10000 : c2 g",
    "v512 d64 f128 h4/2x32 : s64 g s64",
    "v512 d64 f128 h4/1x16nt500000 : g g",
    "v512 d64 f128 h4/1x16nt10000 : m2(e3x16n24g2k3) g m2(e3x16n24g2k3)",
    "v512 d64 fmoe(4/2x32) h4/2x16 : c3~128 g c3",
    "v512 d64 fmoe(4/1x32) h4/2x16 : c3 g",
    "v512 d64 f128 h4/1x14or6 n2 : c7 g s8(4/1x14ot10000) g",
    "v512 d64 f128 h4/1x32r0 : c4 g s8 g",
    "v512 d64 f128 h4/1x32 n2 : c4 g c4",
    "v512 d64 f128 : gdn(2/4x16/24k3) gdn(2/4x16/24k3)",
    "v512 d64 f0 : m1(e3n8r5k3) m1(e3n8r5k3)",
    "v512 d64 f0 : m1",
    "v512 d64 f0 : m2(x16n24g2k3) m2(x16n24g2k3)",
  ])("%s", (text) => {
    const layout = namedLayouts[text] ?? parseNotation(text);
    const made = huggingFaceConfig(layout);
    if (!made.ok) throw new Error(made.reason);
    expect(layoutId(layoutOfTransformersConfig(JSON.parse(JSON.stringify(made.config))))).toBe(
      layoutId(layout),
    );
  });

  it("in either spelling of its keys", () => {
    const layout = parseNotation("v4096 d512 f1344 h8/2x64 : c3 c3 g c3 c3 g");
    const made = huggingFaceConfig(layout);
    if (!made.ok) throw new Error(made.reason);
    const old = [
      "block_dim",
      "block_ff_dim",
      "full_attn_idxs",
      "num_heads",
      "theta",
      "tie_embedding",
      "conv_dim",
    ];
    const current = [
      "hidden_size",
      "intermediate_size",
      "layer_types",
      "num_attention_heads",
      "rope_theta",
      "tie_word_embeddings",
      "rope_parameters",
    ];
    for (const keys of [old, current])
      expect(read(without(made.config, ...keys))).toBe(formatNotation(layout));
  });
});

// Readers of the config: vLLM (Lfm2MLP), MLX (ModelArgs without defaults), llama.cpp's converter, SGLang,
// transformers 4 and 5.
it.each([
  [
    "MLX",
    "block_dim block_ff_dim block_multiple_of block_ffn_dim_multiplier block_auto_adjust_ff_dim conv_bias conv_L_cache norm_eps rope_theta full_attn_idxs max_position_embeddings",
  ],
  [
    "vLLM",
    "block_dim block_ff_dim block_multiple_of block_ffn_dim_multiplier block_auto_adjust_ff_dim conv_dim num_attention_heads num_key_value_heads",
  ],
  [
    "llama.cpp",
    "block_ff_dim block_multiple_of block_ffn_dim_multiplier block_auto_adjust_ff_dim hidden_size vocab_size conv_L_cache norm_eps",
  ],
  ["mistral.rs and older transformers", "full_attn_idxs tie_embedding theta num_heads block_norm_eps"],
  ["transformers 5", "layer_types rope_parameters hidden_size intermediate_size tie_word_embeddings"],
])("the keys that %s reads are all written, and agree", (_reader, keys) => {
  const made = huggingFaceConfig(parseNotation("v4096 d512 f1344 h8/2x64 : c3 c3 g c3 c3 g"));
  if (!made.ok) throw new Error(made.reason);
  for (const key of keys.split(" ")) expect(made.config).toHaveProperty(key);
  expect(made.config).toMatchObject({
    block_dim: 512,
    conv_dim: 512,
    block_ff_dim: 1344,
    block_auto_adjust_ff_dim: false,
    // Readers that round despite the flag leave this width unchanged.
    block_multiple_of: 64,
    full_attn_idxs: [2, 5],
    tie_embedding: true,
  });
});

const QWEN3 = {
  model_type: "qwen3",
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  rope_theta: 1e6,
  tie_word_embeddings: true,
};
const LLAMA = { ...without(QWEN3, "head_dim"), model_type: "llama" };
const MOE = { ...without(QWEN3, "head_dim"), model_type: "lfm2_moe", moe_intermediate_size: 64 };

it("lfm2_moe is read with dense first layers, and with the defaults of its class", () => {
  expect(read(MOE)).toBe("v512 d64 f128 h4/2x16 : g g g~moe(32/4x64) g~moe(32/4x64)");
  expect(read({ ...MOE, num_dense_layers: 0, num_experts: 8, num_experts_per_tok: 1 })).toBe(
    "v512 d64 fmoe(8/1x64) h4/2x16 : g g g g",
  );
});

const LFM3 = {
  vocab_size: 128_000,
  hidden_size: 2048,
  intermediate_size: 7680,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  num_key_value_heads: 4,
};

it("qwen3 and llama are read with their windows and head sizes", () => {
  expect(read(QWEN3)).toBe("v512 d64 f128 h4/2x32 : g g g g");
  expect(read({ ...QWEN3, use_sliding_window: true, sliding_window: 8, max_window_layers: 2 })).toBe(
    "v512 d64 f128 h4/2x32 : g g s8 s8",
  );
  expect(read(without(QWEN3, "head_dim"))).toContain("h4/2x128");
  expect(read(LLAMA)).toBe("v512 d64 f128 h4/2x16n : g g g g");
  expect(read(without(LLAMA, "num_key_value_heads", "rope_theta"))).toBe(
    "v512 d64 f128 h4/4x16nt10000 : g g g g",
  );
});

it("lfm3 is read with its defaults, and with the rotation that published files call default", () => {
  expect(read({ model_type: "lfm3", ...LFM3 })).toBe(formatNotation(namedLayouts["lfm3-1.7b"]!));
  const rope_parameters = {
    full_attention: { rope_type: "default", rope_theta: 5e5, partial_rotary_factor: 0.25 },
    sliding_attention: { rope_type: "default", rope_theta: 1e6 },
  };
  const options = { num_hidden_layers: 5, use_attention_gate: false, use_sandwich_norm: false };
  expect(read({ model_type: "lfm3", ...LFM3, ...options, rope_parameters })).toBe(
    "v128000 d2048 f7680 h16/4x128r32t500000 : c7 c7 g c7 s256(16/4x128)",
  );
});

it.each([
  [{ ...PUBLISHED, model_type: "qwen2" }, /"qwen2", edgefront reads lfm2, lfm2_moe, lfm3, qwen3, llama/],
  [{ ...without(PUBLISHED, "model_type"), architectures: ["Qwen2ForCausalLM"] }, /"Qwen2ForCausalLM"/],
  [{ ...PUBLISHED, block_dim: 512 }, /hidden_size 1024 and block_dim 512 contradict/],
  [{ ...PUBLISHED, layer_types: Array(16).fill("conv") }, /contradict/],
  [{ ...PUBLISHED, full_attn_idxs: [16] }, /layer 16 of 16/],
  [{ ...PUBLISHED, num_hidden_layers: 3, layer_types: ["conv"] }, /names 1 layer, num_hidden_layers says 3/],
  [{ ...PUBLISHED, layer_types: Array(16).fill("mamba") }, /"mamba".*conv, full_attention/],
  [{ ...PUBLISHED, conv_bias: true }, /biases \(conv_bias\)/],
  [{ ...PUBLISHED, tie_embedding: false }, /output matrix/],
  [
    { ...PUBLISHED, rope_scaling: { rope_type: "yarn", factor: 4 } },
    /RoPE is scaled \(rope_scaling: yarn\).*jq/,
  ],
  [{ ...LLAMA, rope_scaling: { type: "linear", factor: 2 } }, /scaled/],
  [
    { ...LLAMA, rope_parameters: { rope_type: "llama3", rope_theta: 5e5 } },
    /scaled \(rope_parameters: llama3\)/,
  ],
  [{ ...LLAMA, rope_parameters: { rope_theta: 5e5 } }, /contradict/],
  [without(LLAMA, "tie_word_embeddings"), /output matrix/],
  [{ ...LLAMA, attention_bias: true }, /attention_bias/],
  [{ ...LLAMA, hidden_act: "gelu" }, /gelu/],
  [{ ...LLAMA, partial_rotary_factor: 0.5 }, /part of each head/],
  [{ ...QWEN3, layer_types: Array(4).fill("sliding_attention") }, /no sliding_window/],
  [without(QWEN3, "hidden_size"), /no hidden_size/],
  [without(QWEN3, "vocab_size"), /no vocab_size/],
  [{ ...QWEN3, num_attention_heads: "four" }, /num_attention_heads: must be a number, not text/],
  [{ ...QWEN3, num_key_value_heads: 3 }, /impossible layout/],
  [{ ...MOE, norm_topk_prob: false }, /normalised weights/],
  [{ ...MOE, routed_scaling_factor: 2.5 }, /scales its experts/],
])("what a layout cannot say, or no layout is, is refused: %#", (config, message) => {
  expect(() => layoutOfTransformersConfig(config)).toThrow(message);
});
