// Multi-query associative recall: D key-value pairs, then every key once more, after which its value must be
// predicted. Source: Zoology, arXiv 2312.04927 (keys in [1, V/2), values in [V/2, V), gaps drawn from a power
// law with a = 0.01).
import { z } from "zod";
import { type Examples, UNSCORED } from "../dataset.ts";
import { answerTask, distinct } from "./rows.ts";
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

/**
 * `count` different slots out of `slots`. Slot g has weight (g+1)^(a-1), so near gaps are likelier than far
 * ones.
 */
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
    // A query takes two places (key, value) in the remainder of the row.
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
  // The published sweep: (length, pairs); each is trained at several widths.
  presets: {
    L64: { length: 64, pairs: 4 },
    L128: { length: 128, pairs: 8 },
    L256: { length: 256, pairs: 16 },
    L512: { length: 512, pairs: 64 },
    L1024: { length: 1024, pairs: 128 },
    L2048: { length: 2048, pairs: 256 },
    L4096: { length: 4096, pairs: 512 },
  },
  ...answerTask(rows),
} satisfies Task<Options>;
