// What a quality task is: it makes data for a proxy, and turns what training reached into named metrics.
import type { z } from "zod";
import type { Dataset } from "../dataset.ts";
import type { Metric } from "../device-metrics.ts";
import type { TrainResult } from "../protocol.ts";

/** Uniform draws for data generation; the same seed gives the same data on every machine. */
export interface DataRng {
  next(): number;
  below(n: number): number;
}

export interface TaskData {
  readonly train: Dataset;
  readonly validation: Dataset;
}

export interface TaskScore {
  readonly name: string;
  readonly unit: string;
  readonly direction: "min" | "max";
  /** One value from one training run. */
  readonly from: (result: TrainResult) => number;
}

export interface Task<Options extends { length: number }> {
  readonly description: string;
  readonly optionsSchema: z.ZodType<Options>;
  /** Vocabulary of the proxy under these options. */
  vocab(options: Options): number;
  /** Files the task reads, as patterns relative to the configuration; none for synthetic tasks. */
  inputs(options: Options): readonly string[];
  /** `text` holds the files that `inputs` named, in the order of their paths. */
  data(options: Options, rng: DataRng, text: Buffer): TaskData;
  readonly scores: readonly TaskScore[];
}

/** Folds the runs of several seeds into metrics named `<task>.<score>`: the mean, with each seed's value as a sample. */
export function taskMetrics(
  taskName: string,
  scores: readonly TaskScore[],
  results: readonly TrainResult[],
): Metric[] {
  return scores.map((score) => {
    const samples = results.map(score.from);
    const value = samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
    return { name: `${taskName}.${score.name}`, value, unit: score.unit, samples, stable: true };
  });
}
