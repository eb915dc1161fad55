// In-context recall of MAD (arXiv 2403.17844). A stream repeats the keys of key-value pairs; each row has its
// own pairs. After a repeated key its value must be predicted. Training scores every next token, validation
// only the recalled values, as published. Noisy recall replaces some pairs by tokens of a noise vocabulary.
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import {
  answerTask,
  exampleRows,
  madExamples,
  madLengths,
  madVocabularies,
  nextTokenTargets,
} from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const fields = {
  vocab: z.int().min(4).max(65_534).default(16).describe("Keys and values, half each, after the noise."),
  length: z.int().min(4).max(65_536).multipleOf(2).default(128),
  examples: z.int().min(1).max(10_000_000).default(12_800).describe("Training rows."),
  validationExamples: z.int().min(1).max(1_000_000).default(1280),
};
const recallSchema = z.strictObject(fields);
const noisySchema = z
  .strictObject({
    ...fields,
    vocab: fields.vocab.default(32),
    noiseVocab: z.int().min(1).max(65_534).default(16).describe("How many of the vocabulary are noise."),
    noise: z.number().min(0).max(0.99).default(0.2).describe("Share of the pairs that are noise."),
  })
  .refine((o) => o.vocab - o.noiseVocab >= 2, { message: "needs vocab - noiseVocab >= 2" });
type RecallOptions = z.infer<typeof recallSchema>;
type NoisyOptions = z.infer<typeof noisySchema>;

function rows(
  options: RecallOptions & { noiseVocab: number; noise: number },
  rng: DataRng,
  count: number,
  training: boolean,
): Examples {
  const { vocab, length, noiseVocab, noise } = options;
  const signal = vocab - noiseVocab;
  const half = Math.floor(signal / 2);
  const pairs = length / 2;
  return exampleRows(options, count, (inputs, targets) => {
    const valueFor = new Map<number, number>();
    const sequence: number[] = [];
    const answers = new Set<number>();
    const certain = rng.below(pairs - 1); // one pair that is not noise, so that there is something to ask
    for (let pair = 0; pair < pairs - 1; pair++) {
      if (noise > 0 && pair !== certain && rng.next() < noise) {
        sequence.push(signal + rng.below(noiseVocab), signal + rng.below(noiseVocab));
        continue;
      }
      const key = rng.below(half);
      const known = valueFor.get(key);
      const value = known ?? half + rng.below(signal - half);
      valueFor.set(key, value);
      if (known !== undefined) answers.add(sequence.length + 1);
      sequence.push(key, value);
    }
    const keys = [...valueFor.keys()];
    const probe = keys[rng.below(keys.length)]!;
    answers.add(sequence.length + 1);
    sequence.push(probe, valueFor.get(probe)!);
    nextTokenTargets(sequence, inputs, targets, (at) => training || answers.has(at));
  });
}

export const inContextRecall = {
  description: "MAD in-context recall (arXiv 2403.17844)",
  optionsSchema: recallSchema,
  presets: {
    baseline: {},
    ...madVocabularies,
    ...madLengths,
    ...madExamples,
  },
  ...answerTask<RecallOptions>((options, ...rest) => rows({ ...options, noiseVocab: 0, noise: 0 }, ...rest)),
} satisfies Task<RecallOptions>;

export const noisyRecall = {
  description: "MAD noisy in-context recall (arXiv 2403.17844)",
  optionsSchema: noisySchema,
  presets: {
    baseline: {},
    vocab48: { vocab: 48 },
    vocab80: { vocab: 80 },
    vocab144: { vocab: 144 },
    ...madLengths,
    ...madExamples,
    noise40: { noise: 0.4 },
    noise60: { noise: 0.6 },
    noise80: { noise: 0.8 },
  },
  ...answerTask<NoisyOptions>(rows),
} satisfies Task<NoisyOptions>;
