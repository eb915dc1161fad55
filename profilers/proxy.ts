// The proxy of a candidate: the same pattern of mixers at a width that trains in seconds. README.md lists
// what a proxy cannot show: absolute quality, knowledge, long documents.
import { z } from "zod";
import { InvalidInputError } from "../candidates/errors.ts";
import { type Layout, layoutProblem } from "../candidates/layout.ts";
import type { ProxySize } from "../candidates/ops/operator.ts";
import { ffnOperatorOf, operatorOf } from "../candidates/ops/operator-registry.ts";

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

/** Returns the size of proxies whose sequences have `length` tokens. */
export function proxySize({ width, headDim, context }: ProxyConfig, length: number): ProxySize {
  return { width, headDim, share: context === undefined ? 1 : Math.min(1, length / context) };
}

/**
 * Returns the proxy layout, with the candidate's order of mixers. Each operator scales itself. FFN widths
 * keep their ratio to the model width, so that candidates of equal parameters stay about equal. Windows keep
 * their share of the context. Taps, norms, output gates, RoPE bases and shared weights are unchanged.
 */
export function proxyLayout(
  layout: Layout,
  config: ProxyConfig,
  task: { vocab: number; length: number },
): Layout {
  const size = proxySize(config, task.length);
  const proxy: Layout = {
    vocab: task.vocab,
    width: config.width,
    layers: layout.layers.map(({ mixer, ffn, ...options }) => ({
      ...options,
      mixer: operatorOf(mixer).scale(mixer, layout.width, size),
      ffn: ffnOperatorOf(ffn).scale(ffn, layout.width, size),
    })),
  };
  const problem = layoutProblem(proxy);
  if (problem !== null)
    throw new InvalidInputError("impossible-proxy", `the proxy cannot be built: ${problem}`);
  return proxy;
}
