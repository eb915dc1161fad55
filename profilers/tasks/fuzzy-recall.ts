// Fuzzy in-context recall of MAD (arXiv 2403.17844): in-context recall whose keys and values are motifs of one to three adjacent tokens.
// Validation always asks with keys of the longest motif, as published.
import { z } from "zod";
import type { Examples } from "../dataset.ts";
import {
  answerTask,
  distinct,
  exampleRows,
  madExamples,
  madLengths,
  madVocabularies,
  nextTokenTargets,
} from "./rows.ts";
import type { DataRng, Task } from "./task.ts";

const optionsSchema = z
  .strictObject({
    vocab: z
      .int()
      .min(5)
      .max(65_534)
      .default(16)
      .describe("Keys and values, half each, and a padding token."),
    length: z.int().min(8).max(65_536).default(128),
    keyMotif: z.int().min(1).max(8).default(3).describe("Most tokens of a key."),
    valueMotif: z.int().min(1).max(8).default(3).describe("Most tokens of a value."),
    examples: z.int().min(1).max(10_000_000).default(12_800).describe("Training rows."),
    validationExamples: z.int().min(1).max(1_000_000).default(1280),
  })
  .refine((o) => Math.floor((o.vocab - 1) / 2) >= Math.max(o.keyMotif, o.valueMotif), {
    message: "needs (vocab - 1) / 2 >= keyMotif and valueMotif: the tokens of a motif differ",
  })
  .refine((o) => o.length >= 4 * (o.keyMotif + o.valueMotif), {
    message: "needs length >= 4 x (keyMotif + valueMotif)",
  });
type Options = z.infer<typeof optionsSchema>;

function rows(options: Options, rng: DataRng, count: number, training: boolean): Examples {
  const { vocab, length, keyMotif, valueMotif } = options;
  const pad = vocab - 1;
  const half = Math.floor((vocab - 1) / 2);
  const key = () => distinct(rng, 0, half, training ? 1 + rng.below(keyMotif) : keyMotif);
  const value = () => distinct(rng, half, vocab - 1, 1 + rng.below(valueMotif));
  return exampleRows(options, count, (inputs, targets) => {
    const valueFor = new Map<string, number[]>();
    const sequence: number[] = [];
    const answers = new Set<number>();
    const add = (k: readonly number[], fresh: () => number[]): void => {
      const known = valueFor.get(k.join());
      const v = known ?? fresh();
      valueFor.set(k.join(), v);
      sequence.push(...k);
      if (known !== undefined) for (let i = 0; i < v.length; i++) answers.add(sequence.length + i);
      sequence.push(...v);
    };
    // The queried pair appears somewhere before the query.
    const [askedKey, askedValue] = [key(), value()];
    const asked = askedKey.length + askedValue.length;
    const end = length - asked - keyMotif - valueMotif;
    const shownAt = rng.below(Math.max(1, end - keyMotif - valueMotif));
    while (sequence.length < end) {
      const due = sequence.length >= shownAt && !valueFor.has(askedKey.join());
      add(due ? askedKey : key(), due ? () => askedValue : value);
    }
    add(askedKey, () => askedValue);
    // Padding in front, to one more than the row, because the last token is an answer and not an input.
    const padding = Math.max(0, length + 1 - sequence.length);
    const padded = [...new Array<number>(padding).fill(pad), ...sequence].slice(0, length + 1);
    nextTokenTargets(padded, inputs, targets, (at) =>
      training ? padded[at] !== pad : answers.has(at - padding),
    );
  });
}

export const fuzzyRecall = {
  description: "MAD fuzzy in-context recall (arXiv 2403.17844)",
  optionsSchema,
  presets: {
    baseline: {},
    ...madVocabularies,
    ...madLengths,
    ...madExamples,
  },
  ...answerTask(rows),
} satisfies Task<Options>;
