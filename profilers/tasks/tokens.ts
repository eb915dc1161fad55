// Language modelling on tokens: text files through a HuggingFace tokenizer.json, or shards of token ids
// (.bin, little endian, no header). The loss is per token. Bits per byte is comparable between tokenizers,
// but needs the text.
import { z } from "zod";
import { bitsPerByte, corpusFields, lengthPresets } from "./corpus-options.ts";
import type { CorpusTask } from "./task.ts";

const textSchema = z.strictObject({
  ...corpusFields,
  tokenizer: z.string().min(1).describe("A tokenizer.json, relative to the configuration file."),
});
const shardSchema = z.strictObject({
  ...corpusFields,
  word: z.enum(["u16", "u32"]).default("u16").describe("How an id is written in the shards."),
  vocab: z.int().min(2).max(65_534).describe("Ids are below this."),
});
type TextOptions = z.infer<typeof textSchema>;
type ShardOptions = z.infer<typeof shardSchema>;

const tokenLoss = {
  name: "loss",
  unit: "nats/token",
  from: (result: { validation: { loss: number } }) => result.validation.loss,
} as const;

export const tokens = {
  description: "language modelling on text files through a tokenizer.json",
  optionsSchema: textSchema,
  presets: lengthPresets,
  corpus: ({ corpus, validationFraction, limitMiB, tokenizer }) => ({
    patterns: corpus,
    validationFraction,
    limitBytes: limitMiB * 2 ** 20,
    encoding: { kind: "tokenizer", file: tokenizer },
  }),
  scores: [bitsPerByte, tokenLoss],
} satisfies CorpusTask<TextOptions>;

export const shards = {
  description: "language modelling on .bin token shards",
  optionsSchema: shardSchema,
  presets: lengthPresets,
  corpus: ({ corpus, validationFraction, limitMiB, word, vocab }) => ({
    patterns: corpus,
    validationFraction,
    limitBytes: limitMiB * 2 ** 20,
    encoding: { kind: "shards", word, vocab },
  }),
  scores: [tokenLoss],
} satisfies CorpusTask<ShardOptions>;
