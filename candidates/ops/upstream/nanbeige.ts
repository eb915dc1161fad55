// The nanbeige architecture: the blocks of llama, applied several times as one stack, with a cache for each
// application. Its own models also apply the final norm between two loops; a layout has no such norm. Source:
// llama.cpp src/models/nanbeige.cpp.
import { u32 } from "../../gguf/metadata.ts";
import { loopsOf } from "../../sharing.ts";
import { llama } from "./all-attention.ts";
import { refuse, type Upstream } from "./upstream.ts";

/** Nanbeige 4.2, by Nanbeige LLM Lab. */
export const nanbeige = {
  ...llama,
  name: "nanbeige",
  shares: true,
  holds: (layout) => loopsOf(layout.layers) > 1 && llama.holds(layout),
  metadata: (layout) => {
    const loops = loopsOf(layout.layers);
    return [
      ["block_count", u32(layout.layers.length / loops)],
      ...llama.metadata(layout),
      ["num_loops", u32(loops)],
      ["skip_loop_final_norm", { type: "bool", value: true }],
    ];
  },
  transformers: () => refuse("some of its layers share weights"),
} as const satisfies Upstream;
