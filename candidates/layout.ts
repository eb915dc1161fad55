// Layouts: width, vocabulary and a list of layers, each with a mixer and an FFN. This file checks and
// identifies them. Notation is in notation.ts, costs in cost.ts, lowering to GGUF in gguf/.
import { createHash } from "node:crypto";
import { z } from "zod";
import { InvalidInputError } from "./errors.ts";
import { issueText } from "./issues.ts";
import {
  ffnOperatorOf,
  ffnSchema,
  mixerSchema,
  operatorOf,
  partsOf,
  traitsOf,
} from "./ops/operator-registry.ts";
import { sharingProblem } from "./sharing.ts";

/** RMSNorm epsilon of every norm in every layout (as in the LFM2 releases). */
export const NORM_EPSILON = 1e-5;

/** The most layers of a layout; layers that share weights count each. */
export const MAX_LAYERS = 512;

/** Norms of a layer's two parts, mixer and FFN: before each part, or before and after it. */
export const normKinds = ["pre", "sandwich"] as const;
export type NormKind = (typeof normKinds)[number];

const layerSchema = z.strictObject({
  mixer: mixerSchema,
  ffn: ffnSchema,
  /** sandwich: x += norm(part(norm(x))), as in LFM3. Absent: x += part(norm(x)). */
  norms: z.literal("sandwich").optional(),
  /**
   * Index of an earlier layer with an equal mixer, FFN and norms, whose weights this layer applies again.
   * Absent: its own.
   */
  weightsOf: z.int().min(0).optional(),
});

export const layoutSchema = z.strictObject({
  vocab: z.int().min(2).max(1_048_576),
  /** Model width d. */
  width: z.int().min(8).max(65_536),
  layers: z.array(layerSchema).min(1).max(MAX_LAYERS),
});
export type Layer = Readonly<z.infer<typeof layerSchema>>;
export interface Layout {
  readonly vocab: number;
  readonly width: number;
  readonly layers: readonly Layer[];
}

/** Returns the norms of a layer. */
export const normsOf = ({ norms }: Pick<Layer, "norms">): NormKind => norms ?? "pre";

/** Returns the field of a layer with these norms. Norms before the parts alone have none. */
export const normsField = (norms: NormKind): Pick<Layer, "norms"> => (norms === "sandwich" ? { norms } : {});

/** Returns a reason why no engine could build this layout, or null. */
export function layoutProblem(layout: Layout): string | null {
  for (const [index, layer] of layout.layers.entries()) {
    const problem =
      operatorOf(layer.mixer).problem(layer.mixer, layout.width) ??
      ffnOperatorOf(layer.ffn).problem(layer.ffn, layout.width);
    if (problem !== null) return `layer ${index}: ${problem}`;
  }
  return sharingProblem(layout.layers);
}

/**
 * Checks data of unknown origin and returns it as a layout. Throws InvalidInputError (`bad-layout`) with the
 * path of the first fault.
 */
export function parseLayout(data: unknown): Layout {
  const parsed = layoutSchema.safeParse(data);
  if (!parsed.success) {
    throw new InvalidInputError("bad-layout", `not a layout: ${issueText(parsed.error)}`);
  }
  const problem = layoutProblem(parsed.data);
  if (problem !== null) throw new InvalidInputError("impossible-layout", `impossible layout: ${problem}`);
  return parsed.data;
}

/** JSON with keys sorted at every depth, so that equal layouts give equal text. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

const HASH_VERSION = "l1";

/**
 * Returns the canonical id: equal layouts have equal ids on every machine. The prefix names the version of
 * the hash.
 */
export function layoutId(layout: Layout): string {
  const { vocab, width, layers } = layout;
  const hash = createHash("sha256").update(`${HASH_VERSION}:${canonicalJson({ vocab, width, layers })}`);
  return `${HASH_VERSION}-${hash.digest("hex").slice(0, 16)}`;
}

/** Returns true for attention of any kind: its mixer can recall any single token within its reach. */
export const isAttention = ({ mixer }: Pick<Layer, "mixer">): boolean => traitsOf(mixer).lookup;

const attendsTo = ({ mixer }: Pick<Layer, "mixer">, reaches: (tokens: number) => boolean): boolean =>
  partsOf(mixer).some((part) => traitsOf(part).lookup && reaches(traitsOf(part).reach));

/** Returns true for attention over all earlier tokens, also beside another mixer. */
export const isGlobalAttention = (layer: Pick<Layer, "mixer">): boolean =>
  attendsTo(layer, (tokens) => !Number.isFinite(tokens));

/** Returns true for attention over a window, also beside another mixer. */
export const isWindowAttention = (layer: Pick<Layer, "mixer">): boolean => attendsTo(layer, Number.isFinite);
