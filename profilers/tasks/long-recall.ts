// Recall over a distance: a few key-value pairs, then noise, then every key again, each `distance` tokens
// after its pair. Varying the distance shows how far back a layout can look (windows, kernels, decaying
// states), separately from how much it can hold.
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import { answerTask, distinct, exampleRows, shuffle } from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z
  .strictObject({
    vocab: z.int().min(8).max(65_534).default(64).describe("Keys, values and noise, a third each."),
    distance: z.int().min(2).max(65_000).default(256).describe("Tokens from a pair to its question."),
    pairs: z.int().min(1).max(16_384).default(4),
    examples: z.int().min(1).max(10_000_000).default(4096).describe("Training rows."),
    validationExamples: z.int().min(1).max(1_000_000).default(256),
    length: z.int().min(4).max(65_536).optional().describe("Default: as long as the questions need."),
  })
  .refine((o) => Math.floor(o.vocab / 3) >= o.pairs, { message: "needs vocab / 3 >= pairs" })
  .refine((o) => o.distance >= 2 * o.pairs, { message: "needs distance >= 2 x pairs" })
  .transform((o) => ({ ...o, length: o.length ?? o.distance + 2 * o.pairs }))
  .refine((o) => o.length >= o.distance + 2 * o.pairs && o.length <= 65_536, {
    message: "needs length >= distance + 2 x pairs, at most 65536",
  });
type Options = z.infer<typeof optionsSchema>;

const rows = (options: Options, rng: DataRng, count: number): Examples =>
  exampleRows(options, count, (inputs, targets) => {
    const { vocab, distance, pairs } = options;
    const third = Math.floor(vocab / 3);
    const keys = distinct(rng, 0, third, pairs);
    const values = shuffle(rng, distinct(rng, third, 2 * third, pairs));
    for (let i = 0; i < inputs.length; i++) inputs[i] = 2 * third + rng.below(vocab - 2 * third);
    for (let pair = 0; pair < pairs; pair++) {
      inputs.set([keys[pair]!, values[pair]!], 2 * pair);
      inputs.set([keys[pair]!, values[pair]!], 2 * pair + distance);
      targets[2 * pair + distance] = values[pair]!;
    }
  });

export const longRecall = {
  description: "recall over a set distance, to 4096 tokens and beyond",
  optionsSchema,
  presets: {
    distance256: { distance: 256 },
    distance512: { distance: 512 },
    distance1024: { distance: 1024 },
    distance2048: { distance: 2048 },
    distance4096: { distance: 4096 },
  },
  ...answerTask(rows),
} satisfies Task<Options>;
