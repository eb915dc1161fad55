// FalconH1 configurations of transformers as layouts: every layer has attention parallel to Mamba-2.
import { expect, it } from "vitest";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { layoutOfTransformersConfig } from "../../candidates/transformers/read-config.ts";

const FALCON = {
  model_type: "falcon_h1",
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  mamba_d_ssm: 96,
  mamba_n_heads: 6,
  mamba_d_state: 16,
  mamba_rms_norm: true,
  mamba_norm_before_gate: false,
  tie_word_embeddings: true,
};

const read = (config: object): string => formatNotation(layoutOfTransformersConfig(config));

it("Falcon-H1 is read with the defaults of its class", () => {
  const layout = "v512 d64 f96 h4/2x16nt10000 : g+m2(e1.5x16n16) g+m2(e1.5x16n16)";
  expect(read(FALCON)).toBe(layout);
  expect(read({ ...FALCON, mamba_n_heads: null, mamba_d_head: 16 })).toBe(layout);
  expect(read({ ...FALCON, layer_types: ["hybrid", "hybrid"], ssm_multipliers: [1, 1, 1, 1, 1] })).toBe(
    layout,
  );
  expect(read({ ...FALCON, mamba_d_state: null, mamba_n_groups: 2 })).toContain("m2(e1.5x16n256g2)");
  // The base of the released models.
  expect(read({ ...FALCON, rope_theta: 1e11 })).toBe(layout.replace("t10000", "t100000000000"));
});

it.each([
  [{ mamba_rms_norm: null }, /has no norm/],
  [{ mamba_norm_before_gate: null }, /norm before the gate/],
  [{ key_multiplier: 0.4 }, /key_multiplier is 0\.4/],
  [{ ssm_multipliers: [1, 1, 0.5, 1, 1] }, /ssm_multipliers is 1, 1, 0\.5, 1, 1/],
  [{ projectors_bias: true }, /projectors_bias/],
  [{ mamba_n_heads: 7 }, /does not divide into 7 heads/],
  [{ tie_word_embeddings: null }, /tie_word_embeddings is false/],
  [{ layer_types: ["mamba", "hybrid"] }, /"mamba".*hybrid/],
])("a Falcon-H1 that a layout cannot say is refused: %o", (change, message) => {
  expect(() => layoutOfTransformersConfig({ ...FALCON, ...change })).toThrow(message);
});

it.each(["2[g+m2(x16n16)]", "3[g(1/1x32n)+m2(e1.5x8n24g3k3)]"])("%s is written and read back", (layers) => {
  const layout = parseNotation(`v512 d64 f96 h4/2x16n : ${layers}`);
  const made = huggingFaceConfig(layout);
  expect(made).toMatchObject({ ok: true, config: { model_type: "falcon_h1" } });
  expect(made.ok && layoutOfTransformersConfig(made.config)).toEqual(layout);
});
