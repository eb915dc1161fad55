// Multi-query associative recall: D key-value pairs, then every key is asked again once and its value must follow.
// Source: Zoology, arXiv 2312.04927 (keys in [1, V/2), values in [V/2, V), gaps drawn from a power law with a = 0.01).
import { z } from "zod";
import { type Examples, UNSCORED } from "../dataset.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z.strictObject({
  vocab: z.int().min(8).max(65_534).default(8192),
  length: z.int().min(8).max(65_536).default(64),
  pairs: z.int().min(1).max(16_384).default(4),
  examples: z.int().min(1).max(10_000_000).default(20_000).describe("Training rows."),
  validationExamples: z.int().min(1).max(1_000_000).default(512),
  powerA: z.number().positive().default(0.01).describe("Exponent of the power law of the gaps."),
});
type Options = z.infer<typeof optionsSchema>;

/** `count` distinct whole numbers of [low, high), in random order (Floyd's sampling). */
function distinct(rng: DataRng, low: number, high: number, count: number): number[] {
  const chosen = new Set<number>();
  for (let top = high - low - count; top < high - low; top++) {
    const candidate = rng.below(top + 1);
    chosen.add(chosen.has(candidate) ? top : candidate);
  }
  const items = [...chosen].map((n) => n + low);
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

/** `count` different slots of `slots`, slot g with weight (g+1)^(a-1): near gaps are likelier than far ones. */
function powerLawSlots(rng: DataRng, slots: number, count: number, a: number): number[] {
  // Exponential keys (Efraimidis and Spirakis): the largest log(u)/w are a weighted draw without replacement.
  const keys = Array.from({ length: slots }, (_, gap) => ({
    gap,
    key: Math.log(1 - rng.next()) / (a * (gap + 1) ** (a - 1)),
  }));
  return keys
    .sort((x, y) => y.key - x.key)
    .slice(0, count)
    .map(({ gap }) => gap);
}

function rows(options: Options, rng: DataRng, count: number): Examples {
  const { vocab, length, pairs, powerA } = options;
  const inputs = new Uint16Array(count * length);
  const targets = new Uint16Array(count * length).fill(UNSCORED);
  const half = Math.floor(vocab / 2);
  for (let row = 0; row < count; row++) {
    const sequence = new Array<number>(length + 1).fill(-1);
    const keys = distinct(rng, 1, half, pairs);
    const values = distinct(rng, half, vocab, pairs);
    for (let pair = 0; pair < pairs; pair++) {
      sequence[2 * pair] = keys[pair]!;
      sequence[2 * pair + 1] = values[pair]!;
    }
    // Queries take two places each (key, value) in the rest of the row.
    const slots = Math.floor((length - 2 * pairs) / 2);
    for (const [pair, slot] of powerLawSlots(rng, slots, pairs, powerA).entries()) {
      const at = 2 * pairs + 2 * slot;
      sequence[at] = keys[pair]!;
      sequence[at + 1] = values[pair]!;
      targets[row * length + at] = values[pair]!;
    }
    for (let i = 0; i < length; i++) {
      inputs[row * length + i] = sequence[i]! >= 0 ? sequence[i]! : rng.below(vocab);
    }
  }
  return { kind: "examples", vocab, length, inputs, targets };
}

export const mqar = {
  description: "multi-query associative recall (Zoology, arXiv 2312.04927)",
  optionsSchema: optionsSchema.refine(
    (o) => 4 * o.pairs <= o.length && o.pairs <= Math.floor(o.vocab / 2) - 1,
    {
      message: "needs length >= 4 x pairs, and vocab / 2 - 1 >= pairs",
    },
  ),
  vocab: (options) => options.vocab,
  inputs: () => [],
  data: (options, rng) => ({
    train: rows(options, rng, options.examples),
    validation: rows(options, rng, options.validationExamples),
  }),
  scores: [
    { name: "accuracy", unit: "fraction", direction: "max", from: (result) => result.validation.accuracy },
    { name: "loss", unit: "nats", direction: "min", from: (result) => result.validation.loss },
  ],
} satisfies Task<Options>;
