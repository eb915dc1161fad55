// Options common to tasks on the user's files, and their score in bits per byte of text.
import { z } from "zod";
import type { TaskScore } from "./task.ts";

export const corpusFields = {
  corpus: z.array(z.string()).min(1).describe("Files, as glob patterns relative to the configuration file."),
  length: z.int().min(8).max(65_536).default(128),
  validationFraction: z
    .number()
    .min(0.001)
    .max(0.5)
    .default(0.05)
    .describe("Share of the text, from its end."),
  limitMiB: z
    .number()
    .positive()
    .max(1 << 20)
    .default(256)
    .describe("Files beyond this much are left out; they are streamed, never held in memory."),
};

export const bitsPerByte: TaskScore = {
  name: "bitsPerByte",
  from: (result, bytesPerToken) => result.validation.loss / Math.LN2 / bytesPerToken,
};

export const lengthPresets = {
  length512: { length: 512 },
  length1024: { length: 1024 },
  length2048: { length: 2048 },
  length4096: { length: 4096 },
};
