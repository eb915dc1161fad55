// The keys of transformers' configurations that edgefront reads, of all model types together.
import { z } from "zod";
import { InvalidInputError } from "../errors.ts";

const count = z.int().min(1);
const optional = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);

const rope = z.looseObject({
  rope_type: optional(z.string()),
  type: optional(z.string()),
  rope_theta: optional(z.number()),
  partial_rotary_factor: optional(z.number().min(0).max(1)),
});
export type Rope = z.infer<typeof rope>;
/** RoPE of each kind of layer, as lfm3 states it. */
const ropeByType = z.looseObject({ full_attention: optional(rope), sliding_attention: optional(rope) });

export const configSchema = z.looseObject({
  model_type: optional(z.string()),
  architectures: optional(z.array(z.string())),
  vocab_size: optional(count),
  hidden_size: optional(count),
  block_dim: optional(count),
  intermediate_size: optional(count),
  shared_intermediate_size: optional(count),
  block_ff_dim: optional(count),
  block_auto_adjust_ff_dim: optional(z.boolean()),
  block_ffn_dim_multiplier: optional(z.number()),
  block_multiple_of: optional(count),
  moe_intermediate_size: optional(count),
  num_dense_layers: optional(z.int().min(0)),
  num_experts: optional(count),
  num_experts_per_tok: optional(z.int().min(0)),
  norm_topk_prob: optional(z.boolean()),
  use_expert_bias: optional(z.boolean()),
  routed_scaling_factor: optional(z.number()),
  num_hidden_layers: optional(count),
  num_attention_heads: optional(count),
  num_heads: optional(count),
  num_key_value_heads: optional(count),
  head_dim: optional(count),
  rope_theta: optional(z.number()),
  theta: optional(z.number()),
  rope_parameters: optional(z.intersection(rope, ropeByType)),
  rope_scaling: optional(rope),
  partial_rotary_factor: optional(z.number()),
  layer_types: optional(z.array(z.string())),
  full_attn_idxs: optional(z.array(z.int())),
  conv_L_cache: optional(count),
  conv_bias: optional(z.boolean()),
  attention_bias: optional(z.boolean()),
  mlp_bias: optional(z.boolean()),
  hidden_act: optional(z.string()),
  use_sliding_window: optional(z.boolean()),
  sliding_window: optional(count),
  max_window_layers: optional(z.int().min(0)),
  tie_word_embeddings: optional(z.boolean()),
  tie_embedding: optional(z.boolean()),
  position_embedding_type: optional(z.string()),
  num_local_experts: optional(z.int().min(0)),
  attention_multiplier: optional(z.number()),
  embedding_multiplier: optional(z.number()),
  residual_multiplier: optional(z.number()),
  logits_scaling: optional(z.number()),
  mamba_expand: optional(z.number()),
  mamba_n_heads: optional(count),
  mamba_d_head: optional(z.union([count, z.literal("auto")])),
  mamba_d_state: optional(count),
  mamba_n_groups: optional(count),
  mamba_d_conv: optional(count),
  mamba_conv_bias: optional(z.boolean()),
  mamba_proj_bias: optional(z.boolean()),
  mamba_d_ssm: optional(count),
  mamba_rms_norm: optional(z.boolean()),
  mamba_norm_before_gate: optional(z.boolean()),
  projectors_bias: optional(z.boolean()),
  lm_head_multiplier: optional(z.number()),
  key_multiplier: optional(z.number()),
  attention_in_multiplier: optional(z.number()),
  attention_out_multiplier: optional(z.number()),
  ssm_in_multiplier: optional(z.number()),
  ssm_out_multiplier: optional(z.number()),
  mlp_multipliers: optional(z.array(z.number())),
  ssm_multipliers: optional(z.array(z.number())),
  state_size: optional(count),
  time_step_rank: optional(z.union([count, z.literal("auto")])),
  expand: optional(z.number()),
  conv_kernel: optional(count),
  n_groups: optional(count),
  use_bias: optional(z.boolean()),
  use_conv_bias: optional(z.boolean()),
  full_attention_interval: optional(count),
  linear_num_key_heads: optional(count),
  linear_num_value_heads: optional(count),
  linear_key_head_dim: optional(count),
  linear_value_head_dim: optional(count),
  linear_conv_kernel_dim: optional(count),
  use_attention_gate: optional(z.boolean()),
  use_sandwich_norm: optional(z.boolean()),
});
export type Config = z.infer<typeof configSchema>;

/** Returns the error for a configuration that no layout can express. */
export const bad = (message: string): InvalidInputError => new InvalidInputError("bad-config", message);

/**
 * Returns the value of several keys with one meaning, or `otherwise`. Throws InvalidInputError (`bad-config`) where
 * they contradict each other or none is present.
 */
export function either<T extends string | number | boolean>(
  config: Config,
  keys: readonly (keyof Config)[],
  otherwise?: T,
): T {
  const given = keys.filter((key) => config[key] !== undefined);
  const values = new Set(given.map((key) => config[key]));
  if (values.size > 1)
    throw bad(
      `${given.map((key) => `${String(key)} ${String(config[key])}`).join(" and ")} contradict each other; leave one out`,
    );
  const [value = otherwise] = values as Set<T>;
  if (value === undefined) throw bad(`the configuration has no ${keys.map(String).join(" or ")}; add it`);
  return value;
}
