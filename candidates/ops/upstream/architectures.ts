// Lists every upstream architecture. A new one needs a file beside this one and an entry in the list.
import type { Layout } from "../../layout.ts";
import { llama, qwen3 } from "./all-attention.ts";
import { graniteHybrid } from "./granite-hybrid.ts";
import { lfm2 } from "./lfm2.ts";
import type { Upstream } from "./upstream.ts";

const list = [lfm2, qwen3, llama, graniteHybrid] as const satisfies readonly Upstream[];

/** The name of an upstream architecture. */
export type UpstreamName = (typeof list)[number]["name"];

/**
 * Returns the architecture that has this layout's kinds of mixers, or null. Its `problem` tells whether it
 * expresses the layout.
 */
export const upstreamOf = (layout: Layout): (typeof list)[number] | null =>
  list.find((upstream) => upstream.holds(layout)) ?? null;
