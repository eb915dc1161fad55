// The schema of a space in a YAML file. space.ts makes layouts of it.
import { z } from "zod";
import { normKinds } from "./layout.ts";
import { ffnForms, mixerForms } from "./notation.ts";
import { engines } from "./runs-in.ts";
import { sharings } from "./sharing.ts";

const count = z.union([z.string().regex(/^\d+(\.\d+)?[KMB]$/), z.int().positive()]);
const oneOrMore = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)]);
const range = z.strictObject({ min: z.int().min(0).optional(), max: z.int().min(0).optional() });

export const spaceSchema = z.strictObject({
  vocab: z.int().min(2).max(1_048_576).describe("Vocabulary of every candidate."),
  width: oneOrMore(z.int().min(8).max(65_536)).describe("Model width d, or the widths to choose from."),
  depth: oneOrMore(z.int().min(1).max(512)).describe("Number of layers, or the numbers to choose from."),
  mixers: z
    .array(z.string())
    .min(1)
    .describe(
      `Mixers a layer may have: ${mixerForms}. Attention with < after it (g<, s256<) reads the keys and values of the nearest earlier layer of its kind.`,
    ),
  heads: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "Attention geometries, heads/kvheads x headdim, e.g. 16/8x64. One is chosen for the whole model. Suffixes, in this order: " +
        "n (no QK-norm), o (output gate of each head), r32 (channels that RoPE turns; r0: no positions), t10000 (RoPE base).",
    ),
  norms: oneOrMore(z.enum(normKinds))
    .optional()
    .describe(
      "Norms of all layers: pre (before mixer and FFN, the default), sandwich (also after them), or both to choose from.",
    ),
  parameters: count
    .optional()
    .describe("Parameter budget (e.g. 350M): FFN widths are solved to meet it within 1%."),
  ffn: oneOrMore(z.union([z.int().positive(), z.string()]))
    .optional()
    .describe(`FFN of all layers, or FFNs to choose from, when the width is not solved: ${ffnForms}.`),
  ffnMultiple: z.int().min(1).default(32).describe("Solved FFN widths are multiples of this."),
  sharing: oneOrMore(z.enum(sharings))
    .optional()
    .describe(
      "How the whole model repeats its layers, or the ways to choose from: none; pairs: each layer twice in a row; " +
        "loop: all layers twice. Repeated layers share weights. `depth` and `attention` count layers once.",
    ),
  attention: range.optional().describe("Smallest and largest number of attention layers, of any kind."),
  runsIn: z
    .array(z.enum(engines))
    .min(1)
    .optional()
    .describe("Engines that must run every proposed layout, exactly or padded."),
  include: z.array(z.string()).optional().describe("Layouts proposed first: names or notations."),
});
export type SpaceConfig = z.infer<typeof spaceSchema>;

/** Reads `350M`, `1.2B`, `40K` or a number. */
export function parseCount(text: string | number): number {
  if (typeof text === "number") return text;
  const unit = { K: 1e3, M: 1e6, B: 1e9 }[text.at(-1) as "K" | "M" | "B"];
  return Number(text.slice(0, -1)) * unit;
}
