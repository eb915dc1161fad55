// Compression of MAD (arXiv 2403.17844): a row of random tokens ends in a compression token. Every token of
// the row must be predicted from the state at that one position, which the trainer's pooled head reads
// (kernels/README.md).
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import { answerTask, exampleRows, madExamples, madVocabularies } from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z.strictObject({
  vocab: z.int().min(2).max(65_534).default(16).describe("The last is the compression token."),
  length: z.int().min(2).max(65_536).default(32),
  examples: z.int().min(1).max(10_000_000).default(12_800).describe("Training rows."),
  validationExamples: z.int().min(1).max(1_000_000).default(1280),
});
type Options = z.infer<typeof optionsSchema>;

const rows = (options: Options, rng: DataRng, count: number): Examples =>
  exampleRows(options, count, (inputs, targets) => {
    for (let i = 0; i < options.length - 1; i++) inputs[i] = rng.below(options.vocab - 1);
    inputs[options.length - 1] = options.vocab - 1;
    targets.set(inputs);
  });

export const compression = {
  description: "MAD compression (arXiv 2403.17844)",
  optionsSchema,
  presets: {
    baseline: {},
    ...madVocabularies,
    length64: { length: 64 },
    length128: { length: 128 },
    length256: { length: 256 },
    ...madExamples,
  },
  head: "pooled",
  ...answerTask(rows),
} satisfies Task<Options>;
