// The interface of quality tasks: a task names or makes the data of a proxy, and turns training results into
// named metrics.
import type { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Dataset } from "../dataset.ts";
import type { Metric } from "../device-metrics.ts";
import { metricKinds, type ScoreMetric } from "../metrics/kinds.ts";
import { scoreName } from "../metrics/name.ts";
import type { TrainResult } from "../protocol.ts";
import { mean } from "../statistics/summary.ts";

/** Uniform draws for data generation. The same seed gives the same data on every machine. */
export interface DataRng {
  next(): number;
  below(n: number): number;
}

export interface TaskData {
  readonly train: Dataset;
  readonly validation: Dataset;
}

/** Text or tokens of the user. runner/ reads and encodes them. */
export interface Corpus {
  /** Glob patterns, relative to the configuration. */
  readonly patterns: readonly string[];
  /** Share of the text, from its end, that is reserved for validation. */
  readonly validationFraction: number;
  /** Text beyond this size is not used. */
  readonly limitBytes: number;
  readonly encoding:
    | { readonly kind: "bytes"; readonly binary: boolean }
    | { readonly kind: "tokenizer"; readonly file: string }
    | { readonly kind: "shards"; readonly word: "u16" | "u32"; readonly vocab: number };
}

export interface TaskScore {
  readonly name: ScoreMetric;
  /** Present where the unit differs from that of the metric table. */
  readonly unit?: string;
  /**
   * Returns the score of one training run. `bytesPerToken`: mean bytes of text per token of its data (1
   * without text).
   */
  readonly from: (result: Pick<TrainResult, "validation">, bytesPerToken: number) => number;
}

interface CommonTask<Options extends { length: number }> {
  readonly description: string;
  readonly optionsSchema: z.ZodType<Options>;
  /** Named settings, published ones where they exist. Options given beside a preset take precedence. */
  readonly presets: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly scores: readonly TaskScore[];
}

/** A task that makes its data. */
export interface SyntheticTask<Options extends { length: number }> extends CommonTask<Options> {
  /**
   * `pooled`: every position is predicted from the state at the last one (kernels/README.md). Default: next
   * tokens.
   */
  readonly head?: "pooled";
  /** Vocabulary of the proxy under these options. */
  vocab(options: Options): number;
  data(options: Options, rng: DataRng): TaskData;
}

/** A task on the user's files. */
export interface CorpusTask<Options extends { length: number }> extends CommonTask<Options> {
  corpus(options: Options): Corpus;
}

export type Task<Options extends { length: number }> = SyntheticTask<Options> | CorpusTask<Options>;

/**
 * Returns the configured options over those of the preset, unchecked. Throws InvalidInputError
 * (`unknown-preset`).
 */
export function withPreset(
  task: { readonly presets: Task<{ length: number }>["presets"] },
  preset: string | undefined,
  options: Readonly<Record<string, unknown>>,
  taskName: string,
): Readonly<Record<string, unknown>> {
  if (preset === undefined) return options;
  const found = Object.hasOwn(task.presets, preset) ? task.presets[preset] : undefined;
  if (found === undefined) {
    const names = Object.keys(task.presets);
    throw new InvalidInputError(
      "unknown-preset",
      `task "${taskName}" has no preset "${preset}"; ${names.length > 0 ? `use one of ${names.join(", ")}` : "it has none"}`,
    );
  }
  return { ...found, ...options };
}

/** Returns the unit of a score: its own, else that of the metric table. */
export const scoreUnit = ({ name, unit }: TaskScore): string => unit ?? metricKinds[name].unit;

/**
 * Returns metrics named `<task>.<score>` from the runs of several seeds: the mean, with each seed's value as
 * a sample.
 */
export function taskMetrics(
  taskName: string,
  scores: readonly TaskScore[],
  results: readonly Pick<TrainResult, "validation">[],
  bytesPerToken: number,
): Metric[] {
  return scores.map((score) => {
    const samples = results.map((result) => score.from(result, bytesPerToken));
    return {
      name: scoreName(taskName, score.name),
      value: mean(samples),
      unit: scoreUnit(score),
      samples,
      stable: true,
    };
  });
}
