// The model types of transformers that edgefront reads, each a row with its keys and the defaults of its class.
// Sources: configuration_{lfm2,lfm2_moe,lfm3,qwen3,llama,granitemoehybrid,falcon_h1}.py of transformers.
import type { Geometry } from "../ops/geometry.ts";
import { type Ffn, ffnOfWidth } from "../ops/operator-registry.ts";
import type { LayerTypeName } from "../ops/upstream/layer-types.ts";
import { DEFAULT_ROPE, denseFfn, type Family, HIDDEN_SIZE, mixersOf, sameGeometry } from "./family.ts";
import { recurrentFamilies } from "./recurrent-families.ts";
import { bad, type Config, either, type Rope } from "./transformers-schema.ts";

/** The FFN width that transformers' Lfm2MLP derives from block_ff_dim. */
function lfm2Ffn(config: Config): number {
  // transformers uses block_ff_dim where both keys are present.
  const stated = config.block_ff_dim ?? either<number>(config, ["intermediate_size"]);
  if (!(config.block_auto_adjust_ff_dim ?? true)) return stated;
  const multiple = config.block_multiple_of ?? 256;
  const adjusted = Math.trunc((config.block_ffn_dim_multiplier ?? 1) * Math.trunc((2 * stated) / 3));
  return multiple * Math.ceil(adjusted / multiple);
}

/** Dense first layers, then experts. */
function lfm2MoeFfn(config: Config): (layer: number) => Ffn {
  const { num_dense_layers = 2, num_experts = 32, num_experts_per_tok = 4 } = config;
  const dense = denseFfn("intermediate_size")(config);
  const experts: Ffn = {
    op: "moe",
    experts: num_experts,
    used: num_experts_per_tok,
    width: either<number>(config, ["moe_intermediate_size"]),
  };
  return (layer) => (layer < num_dense_layers ? dense(layer) : experts);
}

const LFM_THETA = 1_000_000;
const lfm2Geometry = sameGeometry({ qkNorm: true, ropeTheta: LFM_THETA });

/**
 * The two kinds of attention of lfm3 have each their own RoPE base and turned share of a head. Published files
 * call the rotation `default` and state a share; the model's own is `proportional`.
 */
function lfm3Geometry(config: Config, type: LayerTypeName): Geometry {
  const headDim = config.head_dim ?? 128;
  const otherwise: Partial<Rope> =
    type === "sliding_attention"
      ? { rope_theta: 10_000 }
      : { rope_theta: LFM_THETA, partial_rotary_factor: 0.5 };
  const stated =
    config.rope_parameters === undefined ? otherwise : config.rope_parameters[type as "full_attention"];
  const rotated = 2 * Math.floor(((stated?.partial_rotary_factor ?? 1) * headDim) / 2);
  const heads = either<number>(config, ["num_attention_heads"]);
  return {
    heads,
    kvHeads: config.num_key_value_heads ?? heads,
    headDim,
    qkNorm: true,
    ...((config.use_attention_gate ?? true) && { outputGate: true }),
    ...(rotated < headDim && { rotated }),
    ropeTheta: rotated === 0 ? LFM_THETA : (stated?.rope_theta ?? LFM_THETA),
  };
}

/** The type that transformers gives a layer of lfm3 by default. */
function lfm3Type(_config: Config, layer: number): LayerTypeName {
  if (layer % 4 === 2) return "full_attention";
  return layer % 4 === 0 && layer > 0 ? "sliding_attention" : "conv";
}

/** The types that full_attn_idxs states. */
function lfm2Places(config: Config, depth: number): readonly LayerTypeName[] | undefined {
  const indices = config.full_attn_idxs;
  const outside = indices?.find((index) => index < 0 || index >= depth);
  if (outside !== undefined) throw bad(`full_attn_idxs names layer ${outside} of ${depth} (0 is the first)`);
  return (
    indices &&
    Array.from({ length: depth }, (_, layer) => (indices.includes(layer) ? "full_attention" : "conv"))
  );
}

/** Size of a Mamba-2 head, stated or derived from their number. */
function mambaHeadDim(config: Config, width: number): number {
  if (typeof config.mamba_d_head === "number") return config.mamba_d_head;
  const heads = config.mamba_n_heads ?? 128;
  const size = ((config.mamba_expand ?? 2) * width) / heads;
  if (Number.isInteger(size)) return size;
  throw bad(`an inner width of ${size * heads} does not divide into ${heads} heads (mamba_n_heads)`);
}

function refuseExperts(config: Config): void {
  if (config.norm_topk_prob === false || config.use_expert_bias === false)
    throw bad("its router lacks normalised weights or biases, which a layout's router has");
  if ((config.routed_scaling_factor ?? 1) !== 1)
    throw bad(
      `it scales its experts (routed_scaling_factor ${config.routed_scaling_factor}), which a layout cannot say`,
    );
}

function refuseGranite(config: Config, geometries: readonly Geometry[]): void {
  const experts = config.num_local_experts ?? 8;
  if (experts > 0) throw bad(`it has ${experts} experts (num_local_experts), which edgefront does not read`);
  if (config.position_embedding_type !== "rope")
    throw bad("its attention has no positions (position_embedding_type), a layout's uses RoPE");
  for (const key of ["embedding_multiplier", "residual_multiplier", "logits_scaling"] as const)
    if ((config[key] ?? 1) !== 1) throw bad(`its ${key} is ${config[key]}, a layout's is 1`);
  const scale = config.attention_multiplier ?? 1;
  for (const { headDim } of geometries)
    if (Math.abs(scale * Math.sqrt(headDim) - 1) > 1e-6)
      throw bad(`its attention_multiplier is ${scale}, a layout's is 1 / sqrt(${headDim})`);
  refuseBiases(config);
}

function refuseBiases(config: Config): void {
  if (config.mamba_conv_bias === false) throw bad("its convolutions have no bias, those of Mamba-2 have one");
  for (const key of ["mamba_proj_bias", "projectors_bias"] as const)
    if (config[key]) throw bad(`it has biases (${key}), which a layout cannot say`);
}

/** The factors of Falcon-H1 models. llama.cpp's converter folds them into the weights. */
const FALCON_FACTORS = [
  "embedding_multiplier",
  "lm_head_multiplier",
  "key_multiplier",
  "attention_in_multiplier",
  "attention_out_multiplier",
  "ssm_in_multiplier",
  "ssm_out_multiplier",
  "mlp_multipliers",
  "ssm_multipliers",
] as const;

function refuseFalcon(config: Config): void {
  for (const key of FALCON_FACTORS)
    if ([config[key] ?? 1].flat().some((factor) => factor !== 1))
      throw bad(`its ${key} is ${[config[key]].flat().join(", ")}, a layout's is 1`);
  if (!config.mamba_rms_norm)
    throw bad("its Mamba-2 has no norm (mamba_rms_norm is false), a layout's has one");
  if (config.mamba_norm_before_gate ?? true)
    throw bad("its Mamba-2 has its norm before the gate (mamba_norm_before_gate), a layout's after it");
  refuseBiases(config);
}

/** Every model type, by its name in `model_type`. */
export const families: Readonly<Record<string, Family>> = {
  lfm2: {
    stem: "Lfm2",
    width: ["hidden_size", "block_dim"],
    types: ["conv", "full_attention"],
    placed: lfm2Places,
    typeOf: () => "full_attention",
    ropeTypes: DEFAULT_ROPE,
    tied: true,
    ffn: (config) => {
      const ffn = ffnOfWidth(lfm2Ffn(config));
      return () => ffn;
    },
    geometry: lfm2Geometry,
    mixers: mixersOf,
  },
  lfm2_moe: {
    stem: "Lfm2Moe",
    width: HIDDEN_SIZE,
    types: ["conv", "full_attention"],
    typeOf: () => "full_attention",
    ropeTypes: DEFAULT_ROPE,
    tied: true,
    ffn: lfm2MoeFfn,
    geometry: lfm2Geometry,
    mixers: mixersOf,
    refuse: refuseExperts,
  },
  lfm3: {
    stem: "Lfm3",
    width: HIDDEN_SIZE,
    types: ["conv", "full_attention", "sliding_attention"],
    typeOf: lfm3Type,
    ropeTypes: ["default", "proportional"],
    tied: true,
    ffn: denseFfn("intermediate_size"),
    geometry: lfm3Geometry,
    norms: ({ use_sandwich_norm = true }) => (use_sandwich_norm ? "sandwich" : "pre"),
    mixers: ({ conv_L_cache = 7, sliding_window = 256 }) => ({ conv_L_cache, sliding_window }),
  },
  qwen3: {
    stem: "Qwen3",
    width: HIDDEN_SIZE,
    types: ["full_attention", "sliding_attention"],
    typeOf: ({ use_sliding_window, max_window_layers = 28 }, layer) =>
      use_sliding_window && layer >= max_window_layers ? "sliding_attention" : "full_attention",
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: denseFfn("intermediate_size"),
    geometry: sameGeometry({ qkNorm: true, ropeTheta: 10_000, headDim: 128 }),
    mixers: mixersOf,
  },
  llama: {
    stem: "Llama",
    width: HIDDEN_SIZE,
    types: ["full_attention"],
    typeOf: () => "full_attention",
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: denseFfn("intermediate_size"),
    geometry: sameGeometry({ qkNorm: false, ropeTheta: 10_000 }),
    mixers: mixersOf,
  },
  granitemoehybrid: {
    stem: "GraniteMoeHybrid",
    width: HIDDEN_SIZE,
    types: ["mamba", "attention"],
    renamed: { linear_attention: "mamba", full_attention: "attention" },
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: denseFfn("shared_intermediate_size"),
    geometry: sameGeometry({ qkNorm: false, ropeTheta: 10_000 }),
    mixers: (config, types, width) => ({
      ...config,
      mamba_d_head: types.includes("mamba") ? mambaHeadDim(config, width) : undefined,
    }),
    refuse: refuseGranite,
  },
  falcon_h1: {
    stem: "FalconH1",
    width: HIDDEN_SIZE,
    types: ["hybrid"],
    typeOf: () => "hybrid",
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: denseFfn("intermediate_size"),
    geometry: sameGeometry({ qkNorm: false, ropeTheta: 10_000 }),
    mixers: (config, _types, width) => {
      const sized = { ...config, mamba_expand: (config.mamba_d_ssm ?? 1024) / width };
      return { ...sized, mamba_d_head: mambaHeadDim(sized, width) };
    },
    refuse: refuseFalcon,
  },
  ...recurrentFamilies,
};
