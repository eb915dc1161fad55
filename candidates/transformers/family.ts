// How the configurations of a model type of transformers are read: the interface, and what several types share.
import type { NormKind } from "../layout.ts";
import type { Geometry } from "../ops/geometry.ts";
import { type Ffn, ffnOfWidth } from "../ops/operator-registry.ts";
import type { LayerTypeConfig, LayerTypeName } from "../ops/upstream/layer-types.ts";
import { bad, type Config, either } from "./transformers-schema.ts";

/** How the configurations of one model type are read. */
export interface Family {
  /** Begin of its classes' names, such as Lfm2 of Lfm2ForCausalLM and Lfm2Model. */
  readonly stem: string;
  /** Keys of the model width. */
  readonly width: readonly (keyof Config)[];
  /** The layer types that the class has. */
  readonly types: readonly LayerTypeName[];
  /** Later names of layer types, with those that the class's first version gave them. */
  readonly renamed?: Readonly<Record<string, LayerTypeName>>;
  /** Returns the types by a key that must agree with layer_types, or undefined where the key is absent. */
  placed?(config: Config, depth: number): readonly LayerTypeName[] | undefined;
  /** Returns the type of a layer that no key states. Absent: layer_types is needed. */
  typeOf?(config: Config, layer: number): LayerTypeName;
  /** Kinds of RoPE that a layout has. */
  readonly ropeTypes: readonly string[];
  /** True if the output matrix is the token table, unless the configuration states it. */
  readonly tied: boolean;
  /** Returns the FFN of each layer. */
  ffn(config: Config): (layer: number) => Ffn;
  /** Returns heads and RoPE of the attention layers of a type, in a model of this width. Absent: it has none. */
  readonly geometry?: (config: Config, type: LayerTypeName, width: number) => Geometry;
  /** Norms of all layers. Absent: before mixers and FFNs. */
  norms?(config: Config): NormKind;
  /** Returns the other hyper-parameters of the mixers. `types` are those of the model's layers. */
  mixers(config: Config, types: readonly LayerTypeName[], width: number): LayerTypeConfig;
  /** Throws InvalidInputError (`bad-config`) where a layout cannot express a key of this class alone. */
  refuse?(config: Config, geometries: readonly Geometry[]): void;
}

export const HIDDEN_SIZE = ["hidden_size"] as const;
export const DEFAULT_ROPE = ["default"] as const;

/** SwiGLU of one width, under this key, in all layers. */
export const denseFfn =
  (key: keyof Config): Family["ffn"] =>
  (config) => {
    const ffn = ffnOfWidth(either<number>(config, [key]));
    return () => ffn;
  };

/** One geometry for all attention layers. `headDim` is the class's default; absent: the heads span the width. */
export const sameGeometry =
  (of: {
    readonly qkNorm: boolean;
    readonly ropeTheta: number;
    readonly headDim?: number;
  }): NonNullable<Family["geometry"]> =>
  (config, _type, width) => {
    const heads = either<number>(config, ["num_attention_heads", "num_heads"]);
    const headDim = config.head_dim ?? of.headDim ?? width / heads;
    if (!Number.isInteger(headDim))
      throw bad(`a width of ${width} does not divide into ${heads} heads; add head_dim`);
    const stated = config.rope_parameters?.rope_theta;
    const ropeTheta = either<number>(config, ["rope_theta", "theta"], stated ?? of.ropeTheta);
    if (stated !== undefined && stated !== ropeTheta)
      throw bad(
        `rope_theta ${ropeTheta} and rope_parameters.rope_theta ${stated} contradict each other; leave one out`,
      );
    return { heads, kvHeads: config.num_key_value_heads ?? heads, headDim, qkNorm: of.qkNorm, ropeTheta };
  };

/** Returns the hyper-parameters under the names of transformers. */
export const mixersOf: Family["mixers"] = ({ mamba_d_head: _, ...config }) => config;
