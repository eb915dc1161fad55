// The GGUF files of `edgefront compile`: their plans for the engine that must run them, and their weights.
import { resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import {
  architectureOf,
  expressionOf,
  type Lowered,
  type LowerOptions,
  lower,
  lowerPadded,
  type Padding,
  paddingOf,
} from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Engine } from "../../candidates/runs-in.ts";
import { cacheFolder } from "../base/paths.ts";
import type { Worker } from "../farm/worker.ts";
import { fileBytes, paddedFile } from "../runtimes/padded-file.ts";
import { withScratch, writeBy, writeWhole } from "./output.ts";

/** Engines for which a GGUF is written. */
export const fileEngines = ["edgefront", "llama.cpp"] as const satisfies readonly Engine[];
/** The name of such an engine. */
export type FileEngine = (typeof fileEngines)[number];

/** The files of one layout: the exact one, and the padded one if that is asked for. */
export interface ModelFiles {
  readonly exact: Lowered;
  readonly padded: { readonly plan: Lowered; readonly padding: Padding } | null;
}

/** Lowers a layout for an engine. Throws InvalidInputError (`not-expressible`) if the engine cannot run it. */
export function filesFor(layout: Layout, engine: FileEngine, options: LowerOptions): ModelFiles {
  const { why } = expressionOf(layout);
  if (engine === "edgefront" || why === null) return { exact: lower(layout, options), padded: null };
  const padding = paddingOf(layout);
  if (padding === null)
    throw new InvalidInputError(
      "not-expressible",
      `${engine} does not run this layout, not even padded with zeros: ${why}; leave out --engine to write a file that edgefront runs`,
    );
  const { seed: _, ...others } = options;
  return {
    exact: lower(layout, { ...options, vocabulary: false }),
    padded: { plan: lowerPadded(padding, others), padding },
  };
}

/** Has the kernels generate the weights and write the file. Returns its size in bytes. */
export async function materialize(
  worker: Worker,
  { exact, padded }: ModelFiles,
  out: string,
): Promise<number> {
  const { session } = await worker.open();
  const model = { plan: exact.plan.toString("base64") };
  let size = 0;
  const scratch = (): string => cacheFolder("out");
  const make = async (part: string): Promise<void> => {
    const { bytes } = await worker.exclusively(() =>
      session.request("materialize", { model, out: resolve(part) }, { signal: worker.signal }),
    );
    size = bytes;
  };
  if (padded === null) await writeBy(out, scratch, make);
  else
    await withScratch(scratch, make, async (path) => {
      await writeWhole(out, paddedFile(path, exact, padded.plan, padded.padding.tensors));
      size = fileBytes(padded.plan);
    });
  return size;
}

/** Returns the engines that run the written file. */
export function enginesOf({ exact, padded }: ModelFiles): readonly Engine[] {
  const { architecture } = padded?.plan ?? exact;
  if (architecture === "edgefront") return ["edgefront"];
  // edgefront's own engine reads what it would write itself: the filled-up layout without further zeros.
  return padded === null || architectureOf(padded.padding.as) === architecture
    ? ["edgefront", "llama.cpp"]
    : ["llama.cpp"];
}
