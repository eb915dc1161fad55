// Configurations of transformers with recurrences alone (Mamba, Mamba-2, Gated DeltaNet) as layouts.
import { expect, it } from "vitest";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { layoutOfTransformersConfig } from "../../candidates/transformers/read-config.ts";

const SIZES = { vocab_size: 512, hidden_size: 64, num_hidden_layers: 2, tie_word_embeddings: true };
const MAMBA = { ...SIZES, model_type: "mamba" };
const MAMBA2 = { ...SIZES, model_type: "mamba2", num_heads: 8, head_dim: 16 };
const QWEN = {
  ...SIZES,
  model_type: "qwen3_5_text",
  intermediate_size: 96,
  layer_types: ["linear_attention", "linear_attention"],
};

const read = (config: object): string => formatNotation(layoutOfTransformersConfig(config));

it.each([
  [MAMBA, "v512 d64 f0 : m1 m1"],
  [
    { ...MAMBA, time_step_rank: 7, state_size: 8, expand: 3, conv_kernel: 2 },
    "v512 d64 f0 : m1(e3n8r7k2) m1(e3n8r7k2)",
  ],
  [{ ...MAMBA, model_type: null, architectures: ["MambaForCausalLM"] }, "v512 d64 f0 : m1 m1"],
  [MAMBA2, "v512 d64 f0 : m2(x16n128g8) m2(x16n128g8)"],
  [{ ...MAMBA2, n_groups: 1, state_size: 32 }, "v512 d64 f0 : m2(x16n32) m2(x16n32)"],
  [QWEN, "v512 d64 f96 : gdn(16/32x128) gdn(16/32x128)"],
  [
    {
      ...QWEN,
      linear_num_key_heads: 1,
      linear_num_value_heads: 2,
      linear_key_head_dim: 16,
      linear_value_head_dim: 24,
      linear_conv_kernel_dim: 3,
    },
    "v512 d64 f96 : gdn(1/2x16/24k3) gdn(1/2x16/24k3)",
  ],
])("%o is read, with the defaults of its class", (config, notation) => {
  expect(layoutOfTransformersConfig(config)).toEqual(parseNotation(notation));
});

it.each([
  [{ ...MAMBA, tie_word_embeddings: false }, /output matrix/],
  [{ ...MAMBA, use_conv_bias: false }, /convolutions have no bias/],
  [{ ...MAMBA2, use_bias: true }, /use_bias/],
  [{ ...MAMBA2, num_heads: 7 }, /7 heads of 16 do not make up the inner width 128/],
  [{ ...MAMBA2, hidden_act: "gelu" }, /gelu/],
  [{ ...QWEN, layer_types: null, num_hidden_layers: 4 }, /output gate for every channel/],
  [{ ...QWEN, layer_types: ["linear_attention", "full_attention"] }, /output gate for every channel/],
  [{ ...QWEN, tie_word_embeddings: null }, /output matrix/],
  [{ ...SIZES, model_type: "olmo_hybrid" }, /no layout .*olmo_hybrid: its attention layers have norms after/],
  [
    { ...SIZES, architectures: ["NemotronHForCausalLM"] },
    /no layout .*NemotronHForCausalLM: its output matrix/,
  ],
])("%o is refused, because a layout cannot say it", (config, message) => {
  expect(() => read(config)).toThrow(message);
});

it.each([
  ["f0 : m1(e1.5) m1(e1.5)", "an expansion of 1.5: the classes of transformers need a whole number"],
  ["f0 : m2(x16) m2(x32)", "its recurrences differ"],
  ["f0 h4/2x16nr0 : m2(x16) g", "Mamba-2 and attention without FFNs: transformers' NemotronH never ties"],
  ["f96 : gdn(2/2x16) gdn(1/2x16)", "Gated DeltaNet layers of different shapes"],
  ["f96 : gdn(2/2x16) gdn(2/2x16)~64", "FFN widths differ between layers"],
  ["f96 h4/2x16 : gdn(2/2x16) g", "attention without an output gate"],
])("says why %s has no configuration", (layers, reason) => {
  expect(huggingFaceConfig(parseNotation(`v512 d64 ${layers}`))).toMatchObject({
    ok: false,
    reason: expect.stringContaining(reason),
  });
});
