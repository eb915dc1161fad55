// The proxy of a candidate: the same pattern of mixers at a width that trains in seconds. What it cannot show (absolute
// quality, knowledge, long documents) is said in README.md.
import { z } from "zod";
import { InvalidInputError } from "../candidates/errors.ts";
import { type Layout, layoutProblem } from "../candidates/layout.ts";

export const proxySchema = z.strictObject({
  width: z.int().min(8).max(4096).describe("Proxy width d."),
  headDim: z.int().min(8).max(256).default(16).describe("Head dimension of the proxy's attention."),
  context: z
    .int()
    .min(1)
    .optional()
    .describe("The context that a proxy sequence stands for: windows shrink by task length / context."),
});
export type ProxyConfig = z.infer<typeof proxySchema>;

/** FFN widths of proxies are multiples of this, the vector width of the trainer's kernels. */
const FFN_MULTIPLE = 8;

const largestDivisorUpTo = (n: number, limit: number): number => {
  for (let divisor = Math.min(n, limit); divisor > 1; divisor--) if (n % divisor === 0) return divisor;
  return 1;
};

/** The window in the proxy: as much of a sequence as the window is of the context that the sequence stands for. */
export function proxyWindow(window: number, context: number | undefined, length: number): number {
  const scale = context === undefined ? 1 : Math.min(1, length / context);
  return Math.max(2, Math.round(window * scale));
}

/**
 * The proxy layout: kernel sizes, QK-norm, RoPE and the order of mixers as in the candidate; FFN width in the same ratio to the
 * model width (so that candidates matched in parameters stay about matched); query heads grouped over kv heads as far as the
 * fewer heads allow; windows scaled to the task's length.
 */
export function proxyLayout(
  layout: Layout,
  config: ProxyConfig,
  task: { vocab: number; length: number },
): Layout {
  const heads = Math.max(1, Math.floor(config.width / config.headDim));
  const proxy: Layout = {
    vocab: task.vocab,
    width: config.width,
    layers: layout.layers.map(({ mixer, ffn }) => {
      const ratio = (ffn.width / layout.width) * config.width;
      const ffnWidth = Math.max(FFN_MULTIPLE, Math.round(ratio / FFN_MULTIPLE) * FFN_MULTIPLE);
      const scaledFfn = { op: "swiglu" as const, width: ffnWidth };
      if (mixer.op === "conv") return { mixer, ffn: scaledFfn };
      const group = largestDivisorUpTo(heads, mixer.heads / mixer.kvHeads);
      const scaled = { ...mixer, heads, kvHeads: heads / group, headDim: config.headDim };
      if (scaled.op === "gqa") return { mixer: scaled, ffn: scaledFfn };
      const window = proxyWindow(scaled.window, config.context, task.length);
      return { mixer: { ...scaled, window }, ffn: scaledFfn };
    }),
  };
  const problem = layoutProblem(proxy);
  if (problem !== null)
    throw new InvalidInputError("impossible-proxy", `the proxy cannot be built: ${problem}`);
  return proxy;
}
