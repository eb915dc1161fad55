// Layer types of transformers' config.json, and the mixer that each stands for. candidates/transformers/
// reads the other keys.
import type { Geometry } from "../geometry.ts";
import type { Mixer, SingleMixer } from "../operator-registry.ts";

/** Hyper-parameters that mixers take from a config.json, without the attention geometry. */
export interface LayerTypeConfig {
  readonly conv_L_cache?: number | undefined;
  readonly sliding_window?: number | undefined;
  readonly mamba_expand?: number | undefined;
  readonly mamba_d_head?: number | undefined;
  readonly mamba_d_state?: number | undefined;
  readonly mamba_n_groups?: number | undefined;
  readonly mamba_d_conv?: number | undefined;
  readonly mamba_rank?: number | undefined;
  readonly linear_num_key_heads?: number | undefined;
  readonly linear_num_value_heads?: number | undefined;
  readonly linear_key_head_dim?: number | undefined;
  readonly linear_value_head_dim?: number | undefined;
  readonly linear_conv_kernel_dim?: number | undefined;
}

interface LayerType {
  readonly attends: boolean;
  /** True if the type needs `sliding_window`. */
  readonly windowed: boolean;
  /**
   * Returns the mixer. `geometry` is present if the type is attention, `sliding_window` if any type of the
   * config is windowed.
   */
  mixer(config: LayerTypeConfig, geometry: Geometry | undefined): Mixer;
}

const DEFAULT_TAPS = 3;

/** Mamba-2, with the defaults of GraniteMoeHybrid and FalconH1. */
const mamba2 = (config: LayerTypeConfig): SingleMixer => ({
  op: "m2",
  expand: config.mamba_expand ?? 2,
  headDim: config.mamba_d_head!,
  state: config.mamba_d_state ?? 256,
  groups: config.mamba_n_groups ?? 1,
  kernel: config.mamba_d_conv ?? 4,
});

/** Every entry of `layer_types` that a layout can express. */
export const layerTypes = {
  conv: {
    attends: false,
    windowed: false,
    mixer: ({ conv_L_cache = DEFAULT_TAPS }) => ({ op: "conv", kernel: conv_L_cache }),
  },
  full_attention: {
    attends: true,
    windowed: false,
    mixer: (_config, geometry) => ({ op: "gqa", ...geometry! }),
  },
  sliding_attention: {
    attends: true,
    windowed: true,
    mixer: ({ sliding_window }, geometry) => ({ op: "swa", ...geometry!, window: sliding_window! }),
  },
  // The names of GraniteMoeHybrid.
  mamba: {
    attends: false,
    windowed: false,
    mixer: mamba2,
  },
  /** Mamba. Its class has no layer_types, because all its layers are alike. */
  mamba1: {
    attends: false,
    windowed: false,
    mixer: ({ mamba_expand, mamba_d_state, mamba_d_conv, mamba_rank }) => ({
      op: "m1",
      expand: mamba_expand ?? 2,
      state: mamba_d_state ?? 16,
      kernel: mamba_d_conv ?? 4,
      ...(mamba_rank !== undefined && { rank: mamba_rank }),
    }),
  },
  // The name of Qwen3_5, with the defaults of its class.
  linear_attention: {
    attends: false,
    windowed: false,
    mixer: (config) => ({
      op: "gdn",
      keyHeads: config.linear_num_key_heads ?? 16,
      valueHeads: config.linear_num_value_heads ?? 32,
      keyDim: config.linear_key_head_dim ?? 128,
      valueDim: config.linear_value_head_dim ?? 128,
      kernel: config.linear_conv_kernel_dim ?? 4,
    }),
  },
  attention: {
    attends: true,
    windowed: false,
    mixer: (_config, geometry) => ({ op: "gqa", ...geometry! }),
  },
  // The name of FalconH1, for attention parallel to Mamba-2.
  hybrid: {
    attends: true,
    windowed: false,
    mixer: (config, geometry) => ({ op: "parallel", mixers: [{ op: "gqa", ...geometry! }, mamba2(config)] }),
  },
} as const satisfies Record<string, LayerType>;

/** The name of a layer type. */
export type LayerTypeName = keyof typeof layerTypes;
