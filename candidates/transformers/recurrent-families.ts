// The model types of transformers with recurrences alone, each a row with its keys and the defaults of its class, and
// types that no layout expresses. Sources: configuration_{qwen3_5,mamba,mamba2,olmo_hybrid,nemotron_h}.py of
// transformers, and the models beside them.
import { DEFAULT_ROPE, denseFfn, type Family, HIDDEN_SIZE, mixersOf } from "./family.ts";
import { bad, type Config } from "./transformers-schema.ts";

/** Layers without an FFN. */
const noFfn: Family["ffn"] = () => () => ({ op: "absent" });

function refuseMambaBiases(config: Config): void {
  if (config.use_conv_bias === false) throw bad("its convolutions have no bias, those of Mamba have one");
  if (config.use_bias) throw bad("it has biases (use_bias), which a layout cannot say");
}

/** Mamba and Mamba-2 have equal names for the sizes of their layers. */
const mambaMixers: Family["mixers"] = ({ expand, state_size, conv_kernel, n_groups, time_step_rank }) => ({
  mamba_expand: expand,
  mamba_d_state: state_size,
  mamba_d_conv: conv_kernel,
  mamba_n_groups: n_groups,
  mamba_rank: time_step_rank === "auto" ? undefined : time_step_rank,
});

/** Model types that no layout expresses, with the begin of their classes' names and the reason. */
export const inexpressible: Readonly<Record<string, Pick<Family, "stem"> & { readonly why: string }>> = {
  olmo_hybrid: {
    stem: "OlmoHybrid",
    why: "its attention layers have norms after their parts only, and one QK-norm over all heads",
  },
  nemotron_h: { stem: "NemotronH", why: "its output matrix is never the token table, a layout's always is" },
};

/** Model types of recurrences, by their name in `model_type`. */
export const recurrentFamilies: Readonly<Record<string, Family>> = {
  qwen3_5_text: {
    stem: "Qwen3_5",
    width: HIDDEN_SIZE,
    types: ["linear_attention", "full_attention"],
    typeOf: ({ full_attention_interval = 4 }, layer) =>
      (layer + 1) % full_attention_interval === 0 ? "full_attention" : "linear_attention",
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: denseFfn("intermediate_size"),
    geometry: () => {
      throw bad("its attention has an output gate for every channel, which a layout cannot say");
    },
    mixers: mixersOf,
  },
  mamba: {
    stem: "Mamba",
    width: HIDDEN_SIZE,
    types: ["mamba1"],
    typeOf: () => "mamba1",
    ropeTypes: DEFAULT_ROPE,
    tied: true,
    ffn: noFfn,
    mixers: mambaMixers,
    refuse: refuseMambaBiases,
  },
  mamba2: {
    stem: "Mamba2",
    width: HIDDEN_SIZE,
    types: ["mamba"],
    typeOf: () => "mamba",
    ropeTypes: DEFAULT_ROPE,
    tied: false,
    ffn: noFfn,
    mixers: (config, types, width) => {
      const { head_dim = 64, num_heads = 128, expand = 2, state_size = 128, n_groups = 8 } = config;
      if (head_dim * num_heads !== expand * width)
        throw bad(
          `its ${num_heads} heads of ${head_dim} do not make up the inner width ${expand * width} (num_heads, head_dim, expand)`,
        );
      const sizes = mambaMixers({ ...config, state_size, n_groups }, types, width);
      return { ...sizes, mamba_d_head: head_dim };
    },
    refuse: refuseMambaBiases,
  },
};
