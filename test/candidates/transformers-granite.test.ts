// GraniteMoeHybrid configurations of transformers as layouts.
import { expect, it } from "vitest";
import { formatNotation } from "../../candidates/notation.ts";
import { layoutOfTransformersConfig } from "../../candidates/transformers/read-config.ts";

const GRANITE = {
  model_type: "granitemoehybrid",
  vocab_size: 512,
  hidden_size: 64,
  shared_intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  num_local_experts: 0,
  position_embedding_type: "rope",
  attention_multiplier: 0.25,
  layer_types: ["mamba", "attention", "mamba"],
  mamba_n_heads: 8,
  mamba_d_state: 16,
  tie_word_embeddings: true,
};

const read = (config: object): string => formatNotation(layoutOfTransformersConfig(config));

it("granite hybrids are read by the names of any version, with the defaults of their class", () => {
  const layout = "v512 d64 f96 h4/2x16nt10000 : m2(x16n16) g m2(x16n16)";
  expect(read(GRANITE)).toBe(layout);
  expect(read({ ...GRANITE, layer_types: ["linear_attention", "full_attention", "mamba"] })).toBe(layout);
  expect(read({ ...GRANITE, mamba_n_heads: null, mamba_d_head: 16 })).toBe(layout);
  expect(read({ ...GRANITE, mamba_d_state: null, mamba_d_conv: 2 })).toContain("m2(x16n256k2)");
});

it.each([
  [{ num_local_experts: 4 }, /has 4 experts/],
  [{ position_embedding_type: null }, /no positions/],
  [{ attention_multiplier: 1 }, /attention_multiplier is 1, .* 1 \/ sqrt\(16\)/],
  [{ residual_multiplier: 0.22 }, /residual_multiplier is 0\.22/],
  [{ mamba_n_heads: 7 }, /does not divide into 7 heads/],
  [{ mamba_conv_bias: false }, /convolutions have no bias/],
  [{ mamba_proj_bias: true }, /mamba_proj_bias/],
  [{ layer_types: null }, /no layer_types/],
  [{ layer_types: Array(3).fill("conv") }, /"conv".*mamba, attention/],
])("a granite hybrid that a layout cannot say is refused: %o", (change, message) => {
  expect(() => layoutOfTransformersConfig({ ...GRANITE, ...change })).toThrow(message);
});
