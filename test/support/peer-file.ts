// The GGUF that llama.cpp reads in a comparison.
import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { type Architecture, type Lowered, lowerPadded, paddingOf } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Quantization } from "../../candidates/quantization.ts";
import { paddedFile } from "../../runner/runtimes/padded-file.ts";

/**
 * Returns the file for llama.cpp: ours, or a padded one, written to `out`, where its architectures do not
 * express the layout. `file` holds the weights of `exact`.
 */
export async function fileForPeer(
  layout: Layout,
  exact: Lowered,
  quantization: Quantization,
  file: string,
  out: string,
): Promise<{ readonly architecture: Architecture; readonly file: string }> {
  const { architecture } = exact;
  const padding = architecture === "edgefront" ? paddingOf(layout) : null;
  if (padding === null) return { architecture, file };
  const padded = lowerPadded(padding, { quantization, vocabulary: true });
  await pipeline(paddedFile(file, exact, padded, padding.tensors), createWriteStream(out));
  return { architecture: padding.architecture, file: out };
}
