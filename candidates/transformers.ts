// Reads a config.json of HuggingFace transformers: lfm2 in either spelling of its keys (hidden_size or
// block_dim, layer_types or full_attn_idxs, ...), lfm2_moe, lfm3, qwen3, llama and granitemoehybrid. It refuses
// whatever a layout cannot express, so that no difference goes unnoticed. candidates/ops/upstream/ writes
// configs. Sources: configuration_{lfm2,lfm2_moe,lfm3,qwen3,llama,granitemoehybrid}.py of transformers.

import { z } from "zod";
import { InvalidInputError } from "./errors.ts";
import { issueText } from "./issues.ts";
import { type Layer, type Layout, normsField, parseLayout } from "./layout.ts";
import type { Geometry } from "./ops/geometry.ts";
import { type Ffn, ffnOfWidth } from "./ops/operator-registry.ts";
import { type LayerTypeName, layerTypes } from "./ops/upstream/layer-types.ts";
import { counted } from "./words.ts";

const count = z.int().min(1);
const optional = <T extends z.ZodType>(type: T) => type.nullish().transform((value) => value ?? undefined);

const rope = z.looseObject({
  rope_type: optional(z.string()),
  type: optional(z.string()),
  rope_theta: optional(z.number()),
  partial_rotary_factor: optional(z.number().min(0).max(1)),
});
type Rope = z.infer<typeof rope>;
/** RoPE of each kind of layer, as lfm3 states it. */
const ropeByType = z.looseObject({ full_attention: optional(rope), sliding_attention: optional(rope) });

const schema = z.looseObject({
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
  use_attention_gate: optional(z.boolean()),
  use_sandwich_norm: optional(z.boolean()),
});
type Config = z.infer<typeof schema>;

const bad = (message: string): InvalidInputError => new InvalidInputError("bad-config", message);

/** Returns true for JSON that is meant as a transformers configuration. A layout has none of these keys. */
export const isTransformersConfig = (data: unknown): boolean =>
  typeof data === "object" &&
  data !== null &&
  ("model_type" in data || "architectures" in data || "hidden_size" in data);

const FAMILIES = ["lfm2", "lfm2_moe", "lfm3", "qwen3", "llama", "granitemoehybrid"] as const;
type Family = (typeof FAMILIES)[number];
const CLASSES: Readonly<Record<string, Family>> = {
  Lfm2ForCausalLM: "lfm2",
  Lfm2Model: "lfm2",
  Lfm2MoeForCausalLM: "lfm2_moe",
  Lfm2MoeModel: "lfm2_moe",
  Lfm3ForCausalLM: "lfm3",
  Lfm3Model: "lfm3",
  Qwen3ForCausalLM: "qwen3",
  Qwen3Model: "qwen3",
  LlamaForCausalLM: "llama",
  LlamaModel: "llama",
  GraniteMoeHybridForCausalLM: "granitemoehybrid",
  GraniteMoeHybridModel: "granitemoehybrid",
};

function familyOf({ model_type, architectures }: Config): Family {
  const named = model_type ?? architectures?.map((name) => CLASSES[name] ?? name)[0];
  const family = FAMILIES.find((known) => known === named);
  if (family !== undefined) return family;
  throw bad(
    `the configuration is of model type ${named === undefined ? "(none)" : `"${named}"`}, edgefront reads ${FAMILIES.join(", ")}; ` +
      "write the layout in notation instead (edgefront show --help has an example)",
  );
}

/** The value of several keys with one meaning. Throws where they contradict each other or none is present. */
function either<T extends string | number | boolean>(
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

/** FFN width that transformers' Lfm2MLP derives from block_ff_dim. */
function lfm2Ffn(config: Config): number {
  // transformers uses block_ff_dim where both keys are present.
  const stated = config.block_ff_dim ?? either<number>(config, ["intermediate_size"]);
  if (!(config.block_auto_adjust_ff_dim ?? true)) return stated;
  const multiple = config.block_multiple_of ?? 256;
  const adjusted = Math.trunc((config.block_ffn_dim_multiplier ?? 1) * Math.trunc((2 * stated) / 3));
  return multiple * Math.ceil(adjusted / multiple);
}

/** The FFN of a layer. Defaults are those of configuration_lfm2_moe.py. */
function ffnOf(config: Config, family: Family): (layer: number) => Ffn {
  const key = family === "granitemoehybrid" ? "shared_intermediate_size" : "intermediate_size";
  const dense = ffnOfWidth(family === "lfm2" ? lfm2Ffn(config) : either<number>(config, [key]));
  if (family !== "lfm2_moe") return () => dense;
  const { num_dense_layers = 2, num_experts = 32, num_experts_per_tok = 4 } = config;
  const experts: Ffn = {
    op: "moe",
    experts: num_experts,
    used: num_experts_per_tok,
    width: either<number>(config, ["moe_intermediate_size"]),
  };
  return (layer) => (layer < num_dense_layers ? dense : experts);
}

/** The layer types that each class has. */
const TYPES: Readonly<Record<Family, readonly LayerTypeName[]>> = {
  lfm2: ["conv", "full_attention"],
  lfm2_moe: ["conv", "full_attention"],
  lfm3: ["conv", "full_attention", "sliding_attention"],
  qwen3: ["full_attention", "sliding_attention"],
  llama: ["full_attention"],
  granitemoehybrid: ["mamba", "attention"],
};
/** Later names of layer types, with the names that a class's first version gave them. */
const RENAMED: Readonly<Partial<Record<Family, Readonly<Record<string, LayerTypeName>>>>> = {
  granitemoehybrid: { linear_attention: "mamba", full_attention: "attention" },
};
const THETA = {
  lfm2: 1_000_000,
  lfm2_moe: 1_000_000,
  lfm3: 1_000_000,
  qwen3: 10_000,
  llama: 10_000,
  granitemoehybrid: 10_000,
} as const;
const QK_NORM = {
  lfm2: true,
  lfm2_moe: true,
  lfm3: true,
  qwen3: true,
  llama: false,
  granitemoehybrid: false,
} as const;
/** Default of each class where the configuration does not state the value. */
const TIED = {
  lfm2: true,
  lfm2_moe: true,
  lfm3: true,
  qwen3: false,
  llama: false,
  granitemoehybrid: false,
} as const;

function refuseWhatLayoutsCannotSay(config: Config, family: Family): void {
  const without = (keys: string): string =>
    `take it out to get the layout without: jq 'del(${keys})' config.json`;
  const { full_attention, sliding_attention } = config.rope_parameters ?? {};
  for (const [key, stated] of [
    ["rope_scaling", config.rope_scaling],
    ["rope_parameters", config.rope_parameters],
    ["rope_parameters.full_attention", full_attention],
    ["rope_parameters.sliding_attention", sliding_attention],
  ] as const) {
    const type = stated?.rope_type ?? stated?.type ?? "default";
    if (type !== "default" && !(family === "lfm3" && type === "proportional"))
      throw bad(`its RoPE is scaled (${key}: ${type}), which a layout cannot say; ${without(`.${key}`)}`);
  }
  if ((config.partial_rotary_factor ?? 1) !== 1)
    throw bad(
      `it rotates a part of each head (partial_rotary_factor ${config.partial_rotary_factor}), which a layout cannot say`,
    );
  for (const key of ["conv_bias", "attention_bias", "mlp_bias"] as const)
    if (config[key]) throw bad(`it has biases (${key}), which a layout cannot say; ${without(`.${key}`)}`);
  if ((config.hidden_act ?? "silu") !== "silu")
    throw bad(`its FFN uses ${config.hidden_act} (hidden_act), a layout's uses silu`);
  if (config.norm_topk_prob === false || config.use_expert_bias === false)
    throw bad("its router lacks normalised weights or biases, which a layout's router has");
  if ((config.routed_scaling_factor ?? 1) !== 1)
    throw bad(
      `it scales its experts (routed_scaling_factor ${config.routed_scaling_factor}), which a layout cannot say`,
    );
  if (!either<boolean>(config, ["tie_word_embeddings", "tie_embedding"], TIED[family]))
    throw bad(
      "its output matrix is one of its own (tie_word_embeddings is false), a layout's is the token table; " +
        "to get the layout with a shared one: jq '.tie_word_embeddings = true | del(.tie_embedding)' config.json",
    );
}

/** Refuses Granite's options that a layout cannot express. `headDim` is absent without attention layers. */
function refuseGranite(config: Config, headDim: number | undefined): void {
  const experts = config.num_local_experts ?? 8;
  if (experts > 0) throw bad(`it has ${experts} experts (num_local_experts), which edgefront does not read`);
  if (config.position_embedding_type !== "rope")
    throw bad("its attention has no positions (position_embedding_type), a layout's uses RoPE");
  for (const key of ["embedding_multiplier", "residual_multiplier", "logits_scaling"] as const)
    if ((config[key] ?? 1) !== 1) throw bad(`its ${key} is ${config[key]}, a layout's is 1`);
  const scale = config.attention_multiplier ?? 1;
  if (headDim !== undefined && Math.abs(scale * Math.sqrt(headDim) - 1) > 1e-6)
    throw bad(`its attention_multiplier is ${scale}, a layout's is 1 / sqrt(${headDim})`);
  if (config.mamba_conv_bias === false) throw bad("its convolutions have no bias, those of Mamba-2 have one");
  if (config.mamba_proj_bias) throw bad("it has biases (mamba_proj_bias), which a layout cannot say");
}

/** Size of a Mamba-2 head, stated or derived from their number. */
function mambaHeadDim(config: Config, width: number): number {
  if (typeof config.mamba_d_head === "number") return config.mamba_d_head;
  const heads = config.mamba_n_heads ?? 128;
  const size = ((config.mamba_expand ?? 2) * width) / heads;
  if (Number.isInteger(size)) return size;
  throw bad(`an inner width of ${size * heads} does not divide into ${heads} heads (mamba_n_heads)`);
}

/** Entries of `layer_types`; undefined where the configuration has none. */
function statedTypes(config: Config, family: Family, depth: number): readonly LayerTypeName[] | undefined {
  const types = config.layer_types;
  if (types === undefined) return undefined;
  if (types.length !== depth)
    throw bad(`layer_types names ${counted(types.length, "layer")}, num_hidden_layers says ${depth}`);
  const known = TYPES[family];
  return types.map((type) => {
    const name = RENAMED[family]?.[type] ?? known.find((one) => one === type);
    if (name !== undefined) return name;
    throw bad(`a layer of type "${type}" in layer_types is not one of ${known.join(", ")}`);
  });
}

/** The type that transformers gives a layer of lfm3 by default. */
function lfm3Type(index: number): LayerTypeName {
  if (index % 4 === 2) return "full_attention";
  return index % 4 === 0 && index > 0 ? "sliding_attention" : "conv";
}

/** The type of each layer, from layer_types, full_attn_idxs or max_window_layers. */
function typesOf(config: Config, family: Family, depth: number): readonly LayerTypeName[] {
  const types = statedTypes(config, family, depth);
  const indices = family === "lfm2" ? config.full_attn_idxs : undefined;
  const outside = indices?.find((index) => index < 0 || index >= depth);
  if (outside !== undefined) throw bad(`full_attn_idxs names layer ${outside} of ${depth} (0 is the first)`);
  if (
    types !== undefined &&
    indices !== undefined &&
    types.some((type, index) => (type === "full_attention") !== indices.includes(index))
  )
    throw bad("layer_types and full_attn_idxs contradict each other; leave one out");
  if (types !== undefined) return types;
  if (family === "granitemoehybrid") throw bad("the configuration has no layer_types; add it");
  const from = config.use_sliding_window ? (config.max_window_layers ?? 28) : depth;
  return Array.from({ length: depth }, (_, index) => {
    if (indices !== undefined) return indices.includes(index) ? "full_attention" : "conv";
    if (family === "lfm3") return lfm3Type(index);
    return family === "qwen3" && index >= from ? "sliding_attention" : "full_attention";
  });
}

/**
 * Heads and RoPE of an attention layer of lfm3. Its two kinds have each their own base and turned share of a
 * head. Published files call the rotation `default` and state a share; the model's own is `proportional`.
 */
function lfm3Geometry(config: Config, type: LayerTypeName): Geometry {
  const headDim = config.head_dim ?? 128;
  const windowed = type === "sliding_attention";
  const otherwise: Partial<Rope> = windowed
    ? { rope_theta: 10_000 }
    : { rope_theta: THETA.lfm3, partial_rotary_factor: 0.5 };
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
    ropeTheta: rotated === 0 ? THETA.lfm3 : (stated?.rope_theta ?? THETA.lfm3),
  };
}

function geometryOf(config: Config, family: Family, width: number): Geometry {
  const heads = either<number>(config, ["num_attention_heads", "num_heads"]);
  const headDim = config.head_dim ?? (family === "qwen3" ? 128 : width / heads);
  if (!Number.isInteger(headDim))
    throw bad(`a width of ${width} does not divide into ${heads} heads; add head_dim`);
  const stated = config.rope_parameters?.rope_theta;
  const theta = either<number>(config, ["rope_theta", "theta"], stated ?? THETA[family]);
  if (stated !== undefined && stated !== theta)
    throw bad(
      `rope_theta ${theta} and rope_parameters.rope_theta ${stated} contradict each other; leave one out`,
    );
  return {
    heads,
    kvHeads: config.num_key_value_heads ?? heads,
    headDim,
    qkNorm: QK_NORM[family],
    ropeTheta: theta,
  };
}

/**
 * Reads a configuration as a layout. Throws InvalidInputError (`bad-config`, `bad-layout`,
 * `impossible-layout`).
 */
export function layoutOfTransformersConfig(data: unknown): Layout {
  const parsed = schema.safeParse(data);
  if (!parsed.success) throw bad(`not a transformers configuration: ${issueText(parsed.error)}`);
  const family = familyOf(parsed.data);
  const stated = parsed.data;
  const { conv_L_cache = 7, sliding_window = 256 } = stated; // the defaults of lfm3
  const config = family === "lfm3" ? { ...stated, conv_L_cache, sliding_window } : stated;
  refuseWhatLayoutsCannotSay(config, family);
  const width = either<number>(config, family === "lfm2" ? ["hidden_size", "block_dim"] : ["hidden_size"]);
  const ffn = ffnOf(config, family);
  const depth = config.num_hidden_layers ?? config.layer_types?.length;
  if (depth === undefined) throw bad("the configuration has no num_hidden_layers; add it");
  const types = typesOf(config, family, depth);
  const windowed = types.some((type) => layerTypes[type].windowed);
  if (windowed && config.use_sliding_window === false)
    throw bad("layer_types names sliding_attention while use_sliding_window is false; leave one out");
  if (windowed && config.sliding_window === undefined)
    throw bad("it has sliding_attention layers but no sliding_window; add it");
  const attends = types.some((type) => layerTypes[type].attends);
  const geometry = (type: LayerTypeName): Geometry =>
    family === "lfm3" ? lfm3Geometry(config, type) : geometryOf(config, family, width);
  if (family === "granitemoehybrid")
    refuseGranite(config, attends ? geometryOf(config, family, width).headDim : undefined);
  const norms = normsField(family === "lfm3" && (config.use_sandwich_norm ?? true) ? "sandwich" : "pre");
  const options = {
    ...config,
    mamba_d_head: types.includes("mamba") ? mambaHeadDim(config, width) : undefined,
  };
  const layers = types.map((type, layer): Layer => {
    const { attends, mixer } = layerTypes[type];
    return { mixer: mixer(options, attends ? geometry(type) : undefined), ffn: ffn(layer), ...norms };
  });
  return parseLayout({ vocab: either<number>(config, ["vocab_size"]), width, layers });
}
