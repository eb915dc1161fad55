// The published synthetic tasks on small layouts: all attention, all convolution, and one layer of each.
// Printed for profilers/BENCHMARKS.md, which has the published values beside them.
import { sweepSchema } from "../../../runner/config/config.ts";
import { type PreparedTask, prepareTask } from "../../../runner/training/training-data.ts";
import type { Planned, RunBook } from "./book.ts";
import { plan } from "./plan.ts";

/** Two blocks (mixer and SwiGLU each), like MAD's. */
const SHAPES = {
  "g g": "all attention",
  "c3 c3": "all conv",
  "c3 g": "conv, attention",
  "g c3": "attention, conv",
};
/** A run ends at this accuracy, checked twenty times. A solved task stays solved. */
const SOLVED = 0.999;

interface Column {
  readonly task: string;
  readonly preset: string;
  readonly options?: object;
  readonly batch: number;
}
export const MAD: readonly Column[] = [
  { task: "in-context-recall", preset: "baseline", batch: 32 },
  { task: "noisy-recall", preset: "baseline", batch: 32 },
  { task: "fuzzy-recall", preset: "baseline", batch: 32 },
  { task: "selective-copying", preset: "baseline", batch: 16 },
  { task: "memorization", preset: "baseline", batch: 32 },
  { task: "compression", preset: "baseline", batch: 64 },
];
/**
 * Returns the published lengths and numbers of pairs, for a vocabulary (published: 8,192). A large one has
 * fewer examples, because they hardly compress.
 */
export function mqarColumns(vocab: number): readonly Column[] {
  const options = { vocab, examples: vocab > 1024 ? 32_768 : 65_536, validationExamples: 1280 };
  return [
    { task: "mqar", preset: "L64", options, batch: 64 },
    { task: "mqar", preset: "L128", options, batch: 32 },
    { task: "mqar", preset: "L256", options, batch: 16 },
  ];
}

const percent = (value: number): string => (100 * value).toFixed(1);

export interface TableOptions {
  readonly steps: number;
  readonly width: number;
  readonly headDim: number;
  /** Learning rates. For each seed the best one counts. */
  readonly rates: readonly number[];
  /** Replaces each column's own batch. */
  readonly batch: number | undefined;
  readonly seeds: readonly number[];
}

/**
 * Prints accuracy in percent: the mean over the available seeds and their range, and the number of available
 * rates where some are missing.
 */
export async function table(
  book: RunBook,
  columns: readonly Column[],
  { steps, width, headDim, rates, batch: given, seeds }: TableOptions,
): Promise<void> {
  const tasks: readonly PreparedTask[] = await Promise.all(
    columns.map(({ task, preset, options = {} }) => {
      const config = sweepSchema.shape.score.unwrap().shape.tasks.valueType.parse({ task, preset, options });
      return prepareTask(`${task} ${preset}`, config, 1, ".");
    }),
  );
  const heads = width / headDim;
  const planned = (column: number, shape: string, rate: number, seed: number): Planned => {
    const batch = given ?? columns[column]!.batch;
    const notation = `v${tasks[column]!.vocab} d${width} f${2 * width} h${heads}/${heads}x${headDim} : ${shape}`;
    const more = { stop: { every: Math.ceil(steps / 20), accuracy: SOLVED } };
    return plan("table", notation, tasks[column]!, { steps, batch, rate }, seed, more);
  };
  const shapes = Object.keys(SHAPES);
  // Seed by seed and rate by rate, so that an interrupted part has whole tables for fewer of them.
  await book.train(
    seeds.flatMap((seed) =>
      rates.flatMap((rate) =>
        columns.flatMap((_, column) => shapes.map((shape) => planned(column, shape, rate, seed))),
      ),
    ),
  );
  const cell = (column: number, shape: string): string => {
    const tries = seeds.map((seed) =>
      rates.flatMap((rate) => book.get(planned(column, shape, rate, seed).key)?.accuracy ?? []),
    );
    const found = tries.filter(({ length }) => length > 0).map((each) => Math.max(...each));
    if (found.length === 0) return "-";
    const fewest = Math.min(...tries.map(({ length }) => length).filter(Boolean));
    const mean = found.reduce((sum, x) => sum + x, 0) / found.length;
    const range = found.length > 1 ? ` (${percent(Math.min(...found))}-${percent(Math.max(...found))})` : "";
    return `${percent(mean)}${range}${fewest < rates.length ? ` (${fewest} of ${rates.length} rates)` : ""}`;
  };
  const rows = [
    ["layout", ...tasks.map(({ name }) => name)],
    columns.map(() => "---").concat("---"),
    ...Object.entries(SHAPES).map(([shape, label]) => [label, ...columns.map((_, c) => cell(c, shape))]),
  ];
  console.log(rows.map((row) => `| ${row.join(" | ")} |`).join("\n"));
}
