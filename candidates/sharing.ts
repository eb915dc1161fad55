// Layers that share: weights (a layer applies an earlier layer's block again), and keys and values (attention
// reads an earlier layer's cache). State is never shared by layers that share weights: each application has
// its own. Sources: MobileLLM-LS, arXiv 2402.14905 (weights); CLA, arXiv 2405.12981, and YOCO, arXiv
// 2405.05254 (KV).
import { isDeepStrictEqual } from "node:util";
import { type Ffn, type Mixer, operatorOf, partsOf } from "./ops/operator-registry.ts";

/** A layer, as far as sharing concerns it. */
interface Shared {
  readonly mixer: Mixer;
  readonly ffn: Ffn;
  readonly weightsOf?: number | undefined;
}

/**
 * Returns for each layer the index of the layer whose weights it applies: its own, or that of an earlier one.
 */
export const weightSources = (layers: readonly Shared[]): readonly number[] =>
  layers.map(({ weightsOf }, index) => weightsOf ?? index);

/**
 * Returns for each layer the index of the layer whose keys and values it reads: its own, also where it has
 * none. Null: it reads those of an earlier layer, and there is none of its kind.
 */
export function kvSources(layers: readonly Shared[]): readonly (number | null)[] {
  const nearest = new Map<string, number>();
  return layers.map(({ mixer }, index) => {
    const kv = operatorOf(mixer).kv?.(mixer);
    if (kv === undefined) return index;
    if (!kv.own) return nearest.get(kv.kind) ?? null;
    nearest.set(kv.kind, index);
    return index;
  });
}

/**
 * Returns how many times a model applies its layers as one stack: `3*[c3 g]`. 1: layers share nothing, or in
 * another way.
 */
export function loopsOf(layers: readonly Shared[]): number {
  const sources = weightSources(layers);
  const stored = sources.filter((source, index) => source === index).length;
  const loops = layers.length / stored;
  const looped = Number.isInteger(loops) && sources.every((source, index) => source === index % stored);
  return looped && kvSources(layers).every((source, index) => source === index) ? loops : 1;
}

/** Returns what layers share, for messages; null where each has its own weights, keys and values. */
export function sharedBetween(layers: readonly Shared[]): string | null {
  if (layers.some(({ weightsOf }) => weightsOf !== undefined)) return "some of its layers share weights";
  return kvSources(layers).some((source, index) => source !== index)
    ? "some of its layers read the keys and values of another"
    : null;
}

/** Returns a reason why layers cannot share as stated, or null. */
export function sharingProblem(layers: readonly Shared[]): string | null {
  for (const [index, { weightsOf, ...block }] of layers.entries()) {
    if (weightsOf === undefined) continue;
    const { weightsOf: further, ...owner } = layers[weightsOf] ?? { weightsOf };
    if (weightsOf >= index || further !== undefined)
      return `layer ${index}: weightsOf ${weightsOf} is not an earlier layer with weights of its own`;
    if (!isDeepStrictEqual(block, owner))
      return `layer ${index}: weightsOf ${weightsOf} is a layer with another mixer, FFN or norms`;
  }
  const orphan = kvSources(layers).indexOf(null);
  if (orphan < 0) return null;
  const mixer = partsOf(layers[orphan]!.mixer).find((part) => operatorOf(part).kv !== undefined)!;
  const { head, argument } = operatorOf(mixer).notation.format(mixer);
  return `layer ${orphan}: ${head}(${argument}) reads the keys and values of an earlier layer of its kind, but no earlier one has its own`;
}

/** Ways in which a whole model repeats its blocks: each twice in a row, or all of them twice. */
export const sharings = ["none", "pairs", "loop"] as const;
/** One of `sharings`. */
export type Sharing = (typeof sharings)[number];

/** Returns the layers of a model that stores each of `blocks` once. `pairs`: 1 1 2 2; `loop`: 1 2 1 2. */
export function repeated<Block extends object>(
  blocks: readonly Block[],
  sharing: Sharing,
): readonly (Block & { readonly weightsOf?: number })[] {
  if (sharing === "none") return blocks;
  if (sharing === "loop") return [...blocks, ...blocks.map((block, weightsOf) => ({ ...block, weightsOf }))];
  return blocks.flatMap((block, index) => [block, { ...block, weightsOf: 2 * index }]);
}

/** Returns the blocks that a model stores, and how it repeats them; `none` if in neither way. */
export function blocksOf<Layer extends Shared>(
  layers: readonly Layer[],
): { readonly blocks: readonly Layer[]; readonly sharing: Sharing } {
  const blocks = layers.filter(({ weightsOf }) => weightsOf === undefined);
  const sources = weightSources(layers);
  const sharing = sharings.find((one) => isDeepStrictEqual(weightSources(repeated(blocks, one)), sources));
  return { blocks, sharing: sharing ?? "none" };
}
