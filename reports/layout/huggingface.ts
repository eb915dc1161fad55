// Exports a layout as a HuggingFace transformers config.json, where one of its classes can express it with
// the same parameters. The classes are in candidates/ops/upstream/. candidates/transformers.ts reads a
// config.json as a layout.
import type { Layout } from "../../candidates/layout.ts";
import { upstreamOf } from "../../candidates/ops/upstream/architectures.ts";
import type { TransformersConfig } from "../../candidates/ops/upstream/upstream.ts";

/**
 * Returns the config, or the reason why no class of transformers can express this layout. `context` is the
 * longest context of the model.
 */
export const huggingFaceConfig = (layout: Layout, context = 32_768): TransformersConfig =>
  upstreamOf(layout)?.transformers(layout, context) ?? {
    ok: false,
    reason: "edgefront writes no config.json of transformers for this mixture of layers",
  };

/** Returns a warning for users of the config; null where every program builds the same model from it. */
export const headSizeNote = (layout: Layout): string | null =>
  upstreamOf(layout)?.transformersNote(layout) ?? null;
