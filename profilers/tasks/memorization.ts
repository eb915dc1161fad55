// Memorisation of MAD (arXiv 2403.17844): one fixed map from keys to values for all rows, in training and
// validation. Only the weights can hold it. An insert token follows a key, and the key's value must be
// predicted there.
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import { answerScores, exampleRows, shuffle } from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z.strictObject({
  vocab: z.int().min(3).max(65_534).default(256).describe("Keys and values, half each; the last inserts."),
  length: z.int().min(2).max(65_536).multipleOf(2).default(32),
  examples: z.int().min(1).max(10_000_000).default(256).describe("Training rows."),
  validationExamples: z.int().min(1).max(1_000_000).default(1280),
});
type Options = z.infer<typeof optionsSchema>;

function rows(options: Options, valueFor: readonly number[], rng: DataRng, count: number): Examples {
  return exampleRows(options, count, (inputs, targets) => {
    for (let i = 0; i < options.length; i += 2) {
      const key = rng.below(valueFor.length);
      inputs[i] = key;
      inputs[i + 1] = options.vocab - 1;
      targets[i + 1] = valueFor[key]!;
    }
  });
}

export const memorization = {
  description: "MAD memorisation (arXiv 2403.17844)",
  optionsSchema,
  presets: {
    baseline: {},
    vocab512: { vocab: 512 },
    vocab1024: { vocab: 1024 },
    vocab2048: { vocab: 2048 },
    vocab4096: { vocab: 4096 },
    vocab8192: { vocab: 8192 },
  },
  vocab: (options) => options.vocab,
  data: (options, rng) => {
    const keys = Math.floor((options.vocab - 1) / 2);
    const values = shuffle(
      rng,
      Array.from({ length: options.vocab - 1 - keys }, (_, i) => keys + i),
    ).slice(0, keys);
    return {
      train: rows(options, values, rng, options.examples),
      validation: rows(options, values, rng, options.validationExamples),
    };
  },
  scores: answerScores,
} satisfies Task<Options>;
