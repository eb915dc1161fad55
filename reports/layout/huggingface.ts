// A layout as a HuggingFace transformers config.json, where one of its classes can express it with the same parameters. The classes are
// in candidates/ops/upstream/. The way back, from a config.json to a layout, is candidates/transformers.ts.
import type { Layout } from "../../candidates/layout.ts";
import { upstreamOf } from "../../candidates/ops/upstream/architectures.ts";
import type { TransformersConfig } from "../../candidates/ops/upstream/upstream.ts";

/** The config, or the reason why no class of transformers can express this layout. `context` is the longest it is meant for. */
export const huggingFaceConfig = (layout: Layout, context = 32_768): TransformersConfig =>
  upstreamOf(layout)?.transformers(layout, context) ?? {
    ok: false,
    reason: "no class of transformers has this mixture of layers",
  };

/** A warning for readers of the config; null where every program that reads it makes the same model of it. */
export const headSizeNote = (layout: Layout): string | null =>
  upstreamOf(layout)?.transformersNote(layout) ?? null;
