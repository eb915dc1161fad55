// Shared parts of the synthetic tasks: filling rows, drawing tokens, the presets of MAD, and the two scores
// of a task whose answers are single tokens.
import { type Examples, UNSCORED } from "../dataset.ts";
import type { DataRng, TaskScore } from "./task.ts";

/**
 * Returns `count` rows. `fill` writes each row's inputs (initially zeros) and targets (initially unscored).
 */
export function exampleRows(
  shape: { readonly vocab: number; readonly length: number },
  count: number,
  fill: (inputs: Uint16Array, targets: Uint16Array) => void,
): Examples {
  const { vocab, length } = shape;
  const inputs = new Uint16Array(count * length);
  const targets = new Uint16Array(count * length).fill(UNSCORED);
  for (let at = 0; at < count * length; at += length) {
    fill(inputs.subarray(at, at + length), targets.subarray(at, at + length));
  }
  return { kind: "examples", vocab, length, inputs, targets };
}

/** Writes a sequence as inputs, and each next token as a target where `scored` returns true. */
export function nextTokenTargets(
  sequence: readonly number[],
  inputs: Uint16Array,
  targets: Uint16Array,
  scored: (position: number) => boolean,
): void {
  for (let i = 0; i < inputs.length; i++) {
    inputs[i] = sequence[i]!;
    if (i + 1 < sequence.length && scored(i + 1)) targets[i] = sequence[i + 1]!;
  }
}

/** Returns `count` distinct whole numbers of [low, high), in random order (Floyd's sampling). */
export function distinct(rng: DataRng, low: number, high: number, count: number): number[] {
  const chosen = new Set<number>();
  for (let top = high - low - count; top < high - low; top++) {
    const candidate = rng.below(top + 1);
    chosen.add(chosen.has(candidate) ? top : candidate);
  }
  return shuffle(
    rng,
    [...chosen].map((n) => n + low),
  );
}

/** Shuffles in place (Fisher and Yates). */
export function shuffle<T>(rng: DataRng, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}

export const answerScores: readonly TaskScore[] = [
  { name: "accuracy", from: (result) => result.validation.accuracy },
  { name: "loss", from: (result) => result.validation.loss },
];

/** Options of every synthetic task. */
interface AnswerOptions {
  readonly vocab: number;
  readonly length: number;
  readonly examples: number;
  readonly validationExamples: number;
}

/** Returns a task made from the function that makes its rows. `training` is false for validation rows. */
export const answerTask = <Options extends AnswerOptions>(
  rows: (options: Options, rng: DataRng, count: number, training: boolean) => Examples,
) => ({
  vocab: (options: Options) => options.vocab,
  data: (options: Options, rng: DataRng) => ({
    train: rows(options, rng, options.examples, true),
    validation: rows(options, rng, options.validationExamples, false),
  }),
  scores: answerScores,
});

/** Presets that most tasks of MAD (arXiv 2403.17844) share. */
export const madVocabularies = { vocab32: { vocab: 32 }, vocab64: { vocab: 64 }, vocab128: { vocab: 128 } };
export const madLengths = {
  length256: { length: 256 },
  length512: { length: 512 },
  length1024: { length: 1024 },
};
export const madExamples = {
  examples6400: { examples: 6400 },
  examples3200: { examples: 3200 },
  examples1600: { examples: 1600 },
  examples800: { examples: 800 },
};
