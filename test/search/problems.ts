// Shared by the tests of search/: small spaces, and toy measurements that are pure functions of a layout.
import { staticCost } from "../../candidates/cost.ts";
import { isAttention, isGlobalAttention, type Layout, layoutId } from "../../candidates/layout.ts";
import { ffnWidthOf, traitsOf } from "../../candidates/ops/operator-registry.ts";
import { Space } from "../../candidates/space.ts";
import { spaceSchema } from "../../candidates/space-schema.ts";
import type { Objective, Outcome, Strategy } from "../../search/strategy.ts";

export const spaceOf = (config: unknown): Space => new Space(spaceSchema.parse(config));

/** 3^6 placements, two widths. */
export const middleSpace = spaceOf({
  vocab: 512,
  width: [64, 128],
  depth: 6,
  mixers: ["c3", "g", "s64"],
  heads: ["4/2x16"],
  ffn: [128, 256],
});
/** 8 + 16 placements. */
export const smallSpace = spaceOf({
  vocab: 512,
  width: 64,
  depth: [3, 4],
  mixers: ["c3", "g"],
  heads: ["4/2x16"],
  ffn: 128,
});
/**
 * Two geometries, a parameter budget and bounds on attention: draws can fail here, and all-conv occurs twice.
 */
export const budgetSpace = spaceOf({
  vocab: 512,
  width: [64, 96],
  depth: [4, 5],
  mixers: ["c2", "c3", "g"],
  heads: ["4/2x16", "2/1x32"],
  parameters: "300K",
  attention: { max: 2 },
});

/** The same kind, small enough for any strategy to exhaust. */
export const tightSpace = spaceOf({
  vocab: 512,
  width: 64,
  depth: [3, 4],
  mixers: ["c3", "g"],
  heads: ["4/2x16", "2/1x32"],
  parameters: "200K",
  attention: { max: 2 },
});

/** A space of realistic size. */
export const largeSpace = spaceOf({
  vocab: 65_536,
  width: 1024,
  depth: 16,
  mixers: ["c3", "c5", "g", "s256"],
  heads: ["16/8x64"],
  parameters: "350M",
});

export const objectives: readonly Objective[] = [
  { name: "recall", direction: "max", unit: "" },
  { name: "bytes", direction: "min", unit: "B" },
];

/**
 * Returns toy metrics: recall rewards a few well spread attention layers, late ones most; bytes come from the
 * static model.
 */
export function toyMetrics(layout: Layout): Record<string, number> {
  const depth = layout.layers.length;
  let recall = Math.log2(layout.width) / 20;
  let last = -3;
  for (const [place, layer] of layout.layers.entries()) {
    if (!isAttention(layer)) {
      recall += 0.01 * traitsOf(layer.mixer).reach;
      continue;
    }
    const full = isGlobalAttention(layer) ? 1 : 0.6;
    recall += 0.3 * full * ((place + 1) / depth) * Math.min(1, (place - last) / 3);
    last = place;
  }
  recall += ffnWidthOf(layout.layers[0]!.ffn) / 4000;
  return { recall, bytes: staticCost(layout, { context: 4096, quantization: "q4_0" }).residentBytes };
}

/** Returns an outcome. The layout's id decides whether it fails or is over budget. */
export function toyOutcome(layout: Layout): Outcome {
  const id = layoutId(layout);
  const lot = Number.parseInt(id.slice(-2), 16);
  if (lot < 16) return { id, layout, state: "failed", metrics: {} };
  const metrics = toyMetrics(layout);
  if (lot < 48) return { id, layout, state: "infeasible", metrics, violation: lot / 48 };
  return { id, layout, state: "complete", metrics };
}

export const completeOutcome = (layout: Layout): Outcome => ({
  id: layoutId(layout),
  layout,
  state: "complete",
  metrics: toyMetrics(layout),
});

/** Returns only the candidates of an ask. */
export const ask = (strategy: Strategy, n: number): Layout[] =>
  strategy.ask(n).map(({ candidate }) => candidate);
