// Selective copying of MAD (arXiv 2403.17844): tokens are scattered among blanks. After a copy token they
// must be repeated in order, without the blanks.
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import { answerTask, exampleRows, madExamples, madVocabularies } from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z
  .strictObject({
    vocab: z.int().min(3).max(65_534).default(16).describe("The last two are the blank and the copy token."),
    length: z.int().min(4).max(65_536).default(256),
    copied: z.int().min(1).max(32_767).default(16).describe("Tokens to copy."),
    examples: z.int().min(1).max(10_000_000).default(12_800).describe("Training rows."),
    validationExamples: z.int().min(1).max(1_000_000).default(1280),
  })
  .refine((o) => o.length > 2 * o.copied + 1, { message: "needs length > 2 x copied + 1" });
type Options = z.infer<typeof optionsSchema>;

function rows(options: Options, rng: DataRng, count: number): Examples {
  const { vocab, length, copied } = options;
  const [blank, copy] = [vocab - 2, vocab - 1];
  const blanks = length - 2 * copied - 1;
  return exampleRows(options, count, (inputs, targets) => {
    const tokens = Array.from({ length: copied }, () => rng.below(vocab - 2));
    // Each blank goes before one of the tokens, so that the last token is next to the copy token.
    const before = new Array<number>(copied).fill(0);
    for (let i = 0; i < blanks; i++) before[rng.below(copied)]!++;
    inputs.fill(blank);
    let at = 0;
    for (const [i, token] of tokens.entries()) {
      at += before[i]!;
      inputs[at++] = token;
    }
    inputs[at++] = copy;
    for (const [i, token] of tokens.entries()) targets[at + i] = token;
  });
}

export const selectiveCopying = {
  description: "MAD selective copying (arXiv 2403.17844)",
  optionsSchema,
  presets: {
    baseline: {},
    ...madVocabularies,
    length512: { length: 512 },
    length1024: { length: 1024 },
    ...madExamples,
    copied32: { copied: 32 },
    copied64: { copied: 64 },
    copied96: { copied: 96 },
  },
  ...answerTask(rows),
} satisfies Task<Options>;
