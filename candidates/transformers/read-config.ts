// Reads a config.json of HuggingFace transformers, of any model type in families.ts. It refuses whatever a layout
// cannot express, so that no difference goes unnoticed. candidates/ops/upstream/ writes configs.
import { issueText } from "../issues.ts";
import { type Layer, type Layout, normsField, parseLayout } from "../layout.ts";
import { type LayerTypeName, layerTypes } from "../ops/upstream/layer-types.ts";
import { counted } from "../words.ts";
import { families } from "./families.ts";
import type { Family } from "./family.ts";
import { inexpressible } from "./recurrent-families.ts";
import { bad, type Config, configSchema, either } from "./transformers-schema.ts";

/** Returns true for JSON that is meant as a transformers configuration. A layout has none of these keys. */
export const isTransformersConfig = (data: unknown): boolean =>
  typeof data === "object" &&
  data !== null &&
  ("model_type" in data || "architectures" in data || "hidden_size" in data);

function familyOf({ model_type, architectures }: Config): Family {
  const named = model_type ?? architectures?.[0];
  const among = <Row extends Pick<Family, "stem">>(table: Readonly<Record<string, Row>>): Row | undefined =>
    Object.entries(table).find(([name, { stem }]) =>
      (model_type === undefined ? [`${stem}ForCausalLM`, `${stem}Model`] : [name]).includes(named ?? ""),
    )?.[1];
  const found = among(families);
  if (found !== undefined) return found;
  const never = among(inexpressible);
  if (never !== undefined) throw bad(`no layout expresses a model of type ${named}: ${never.why}`);
  const known = Object.keys(families).join(", ");
  throw bad(
    `the configuration is of model type ${named === undefined ? "(none)" : `"${named}"`}, edgefront reads ${known}; ` +
      "write the layout in notation instead (edgefront show --help has an example)",
  );
}

/** Refuses what no layout can say. `refuse` of a family refuses keys of its own. */
function refuseWhatLayoutsCannotSay(config: Config, { ropeTypes, tied }: Family): void {
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
    if (!ropeTypes.includes(type))
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
  if (!either<boolean>(config, ["tie_word_embeddings", "tie_embedding"], tied))
    throw bad(
      "its output matrix is one of its own (tie_word_embeddings is false), a layout's is the token table; " +
        "to get the layout with a shared one: jq '.tie_word_embeddings = true | del(.tie_embedding)' config.json",
    );
}

/** Entries of `layer_types`; undefined where the configuration has none. */
function statedTypes(config: Config, family: Family, depth: number): readonly LayerTypeName[] | undefined {
  const types = config.layer_types;
  if (types !== undefined && types.length !== depth)
    throw bad(`layer_types names ${counted(types.length, "layer")}, num_hidden_layers says ${depth}`);
  return types?.map((type) => {
    const name = family.renamed?.[type] ?? family.types.find((one) => one === type);
    if (name !== undefined) return name;
    throw bad(`a layer of type "${type}" in layer_types is not one of ${family.types.join(", ")}`);
  });
}

/** The type of each layer. */
function typesOf(config: Config, family: Family, depth: number): readonly LayerTypeName[] {
  const stated = statedTypes(config, family, depth);
  const placed = family.placed?.(config, depth);
  if (placed !== undefined && stated?.some((type, layer) => type !== placed[layer]))
    throw bad("layer_types and full_attn_idxs contradict each other; leave one out");
  const known = stated ?? placed;
  if (known !== undefined) return known;
  const { typeOf } = family;
  if (typeOf === undefined) throw bad("the configuration has no layer_types; add it");
  return Array.from({ length: depth }, (_, layer) => typeOf(config, layer));
}

/**
 * Reads a configuration as a layout. Throws InvalidInputError (`bad-config`, `bad-layout`,
 * `impossible-layout`).
 */
export function layoutOfTransformersConfig(data: unknown): Layout {
  const parsed = configSchema.safeParse(data);
  if (!parsed.success) throw bad(`not a transformers configuration: ${issueText(parsed.error)}`);
  const config = parsed.data;
  const family = familyOf(config);
  refuseWhatLayoutsCannotSay(config, family);
  const width = either<number>(config, family.width);
  const ffn = family.ffn(config);
  const depth = config.num_hidden_layers ?? config.layer_types?.length;
  if (depth === undefined) throw bad("the configuration has no num_hidden_layers; add it");
  const types = typesOf(config, family, depth);
  const options = family.mixers(config, types, width);
  const windowed = types.some((type) => layerTypes[type].windowed);
  if (windowed && config.use_sliding_window === false)
    throw bad("layer_types names sliding_attention while use_sliding_window is false; leave one out");
  if (windowed && options.sliding_window === undefined)
    throw bad("it has sliding_attention layers but no sliding_window; add it");
  const geometries = types.map((type) =>
    layerTypes[type].attends ? family.geometry?.(config, type, width) : undefined,
  );
  family.refuse?.(
    config,
    geometries.filter((geometry) => geometry !== undefined),
  );
  const norms = normsField(family.norms?.(config) ?? "pre");
  const layers = types.map(
    (type, layer): Layer => ({
      mixer: layerTypes[type].mixer(options, geometries[layer]),
      ffn: ffn(layer),
      ...norms,
    }),
  );
  return parseLayout({ vocab: either<number>(config, ["vocab_size"]), width, layers });
}
