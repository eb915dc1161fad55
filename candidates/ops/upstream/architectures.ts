// Lists every upstream architecture. A new one needs a file beside this one and an entry in the list.
import type { Layout } from "../../layout.ts";
import { sharedBetween } from "../../sharing.ts";
import { llama, qwen3 } from "./all-attention.ts";
import { falconH1 } from "./falcon-h1.ts";
import { graniteHybrid } from "./granite-hybrid.ts";
import { lfm2 } from "./lfm2.ts";
import { lfm2moe } from "./lfm2moe.ts";
import { lfm3 } from "./lfm3.ts";
import { mamba2Stack, mambaStack } from "./mamba-stack.ts";
import { nanbeige } from "./nanbeige.ts";
import { nemotronH } from "./nemotron-h.ts";
import { qwen35 } from "./qwen35.ts";
import { refuse, type TransformersConfig, type Upstream } from "./upstream.ts";

const list = [
  lfm2,
  lfm2moe,
  lfm3,
  qwen3,
  llama,
  nanbeige,
  graniteHybrid,
  mambaStack,
  mamba2Stack,
  nemotronH,
  qwen35,
  falconH1,
] as const satisfies readonly Upstream[];

/** The name of an upstream architecture. */
export type UpstreamName = (typeof list)[number]["name"];

type Named = Upstream & { readonly name: UpstreamName };

/**
 * Returns the architecture that has this layout's kinds of mixers and of sharing, or null. Its `problem` tells
 * whether it expresses the layout.
 */
export function upstreamOf(layout: Layout): Named | null {
  const shares = sharedBetween(layout.layers) !== null;
  const fitting: readonly Named[] = list;
  return fitting.find((upstream) => (upstream.shares ?? false) === shares && upstream.holds(layout)) ?? null;
}

/**
 * Returns the layout as a config.json of transformers, or the reason why no class expresses it. `context` is
 * the longest context of the model.
 */
export const huggingFaceConfig = (layout: Layout, context = 32_768): TransformersConfig =>
  upstreamOf(layout)?.transformers(layout, context) ??
  refuse(
    sharedBetween(layout.layers) ??
      "edgefront writes no config.json of transformers for this mixture of layers",
  );

/** Returns a warning for users of the config; null where every program builds the same model from it. */
export const headSizeNote = (layout: Layout): string | null =>
  upstreamOf(layout)?.transformersNote(layout) ?? null;
