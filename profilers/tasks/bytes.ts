// Byte-level language modelling on the user's own text files: every byte is a token, the score is bits per byte.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Task } from "./task.ts";

const optionsSchema = z.strictObject({
  corpus: z
    .array(z.string())
    .min(1)
    .describe("Text files, as glob patterns relative to the configuration file."),
  length: z.int().min(8).max(65_536).default(128),
  validationFraction: z
    .number()
    .min(0.001)
    .max(0.5)
    .default(0.05)
    .describe("Share of the text, from its end."),
});
type Options = z.infer<typeof optionsSchema>;

const BYTE_VALUES = 256;

export const bytes = {
  description: "byte-level language modelling on text files",
  optionsSchema,
  vocab: () => BYTE_VALUES,
  inputs: (options) => options.corpus,
  data: (options, _rng, text) => {
    const validationBytes = Math.floor(text.length * options.validationFraction);
    const split = text.length - validationBytes;
    const needed = 2 * (options.length + 1);
    if (validationBytes < needed || split < needed) {
      throw new InvalidInputError(
        "corpus-too-small",
        `the corpus has ${text.length} bytes, too few for windows of ${options.length} tokens and a validation share of ` +
          `${options.validationFraction}; name more text files`,
      );
    }
    const tokens = Uint16Array.from(text);
    return {
      train: { kind: "stream", vocab: BYTE_VALUES, tokens: tokens.subarray(0, split) },
      validation: { kind: "stream", vocab: BYTE_VALUES, tokens: tokens.subarray(split) },
    };
  },
  scores: [
    {
      name: "bitsPerByte",
      unit: "bits/byte",
      direction: "min",
      from: (result) => result.validation.loss / Math.LN2,
    },
  ],
} satisfies Task<Options>;
