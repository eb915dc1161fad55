// Byte-level language modelling on the user's own text files. Every byte is a token; the score is bits per
// byte.
import { z } from "zod";
import { bitsPerByte, corpusFields, lengthPresets } from "./corpus-options.ts";
import type { CorpusTask } from "./task.ts";

const optionsSchema = z.strictObject({
  ...corpusFields,
  binary: z.boolean().default(false).describe("Take files that do not look like text, too."),
});
type Options = z.infer<typeof optionsSchema>;

export const bytes = {
  description: "byte-level language modelling on text files",
  optionsSchema,
  presets: lengthPresets,
  corpus: ({ corpus, validationFraction, limitMiB, binary }) => ({
    patterns: corpus,
    validationFraction,
    limitBytes: limitMiB * 2 ** 20,
    encoding: { kind: "bytes", binary },
  }),
  scores: [bitsPerByte],
} satisfies CorpusTask<Options>;
