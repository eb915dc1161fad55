// The published synthetic tasks on small layouts: all attention, all convolution, and one layer of each. Printed for
// profilers/BENCHMARKS.md, which has the published values beside them.
import { sweepSchema } from "../../../runner/config.ts";
import { type PreparedTask, prepareTask } from "../../../runner/sweep/training-data.ts";
import type { Planned, RunBook } from "./book.ts";
import { plan } from "./plan.ts";

/** Two blocks (mixer and SwiGLU each), as MAD's. */
const SHAPES = {
  "g g": "all attention",
  "c3 c3": "all conv",
  "c3 g": "conv, attention",
  "g c3": "attention, conv",
};
const RATE = 3e-3;
/** A run ends where it answers this share right, looked at twenty times: what is solved stays solved. */
const SOLVED = 0.999;

interface Column {
  readonly task: string;
  readonly preset: string;
  readonly options?: object;
  readonly batch: number;
  /** Share of the steps that the other columns take. */
  readonly times?: number;
}
export const MAD: readonly Column[] = [
  { task: "in-context-recall", preset: "baseline", batch: 32 },
  { task: "noisy-recall", preset: "baseline", batch: 32 },
  { task: "fuzzy-recall", preset: "baseline", batch: 32 },
  { task: "selective-copying", preset: "baseline", batch: 16 },
  { task: "memorization", preset: "baseline", batch: 32 },
  { task: "compression", preset: "baseline", batch: 64 },
];
/** The published lengths and pairs; the vocabulary of 8,192 takes longer to learn than these tables are trained. */
const FEWER = { vocab: 256, examples: 65_536, validationExamples: 1280 };
export const MQAR: readonly Column[] = [
  { task: "mqar", preset: "L64", options: FEWER, batch: 64 },
  { task: "mqar", preset: "L128", options: FEWER, batch: 32 },
  { task: "mqar", preset: "L256", options: FEWER, batch: 16 },
];

const percent = (value: number): string => (100 * value).toFixed(1);

export interface TableOptions {
  readonly steps: number;
  readonly width: number;
  readonly seeds: readonly number[];
}

/** Accuracy in percent: the mean over the seeds that are there, and their range. */
export async function table(
  book: RunBook,
  columns: readonly Column[],
  { steps, width, seeds }: TableOptions,
): Promise<void> {
  const tasks: readonly PreparedTask[] = await Promise.all(
    columns.map(({ task, preset, options = {} }) => {
      const config = sweepSchema.shape.score.unwrap().shape.tasks.valueType.parse({ task, preset, options });
      return prepareTask(`${task} ${preset}`, config, 1, ".");
    }),
  );
  const heads = width / 16;
  const planned = (column: number, shape: string): readonly Planned[] => {
    const { batch, times = 1 } = columns[column]!;
    const notation = `v${tasks[column]!.vocab} d${width} f${2 * width} h${heads}/${heads}x16 : ${shape}`;
    const schedule = { steps: steps * times, batch, rate: RATE };
    const more = { stop: { every: Math.ceil(schedule.steps / 20), accuracy: SOLVED } };
    return seeds.map((seed) => plan("table", notation, tasks[column]!, schedule, seed, more));
  };
  const shapes = Object.keys(SHAPES);
  // Seed by seed, so that a part that is stopped early has whole tables of fewer seeds.
  await book.train(
    seeds.flatMap((_, s) => columns.flatMap((_, c) => shapes.map((shape) => planned(c, shape)[s]!))),
  );
  const cell = (column: number, shape: string): string => {
    const found = planned(column, shape).flatMap(({ key }) => book.get(key)?.accuracy ?? []);
    if (found.length === 0) return "-";
    const mean = found.reduce((sum, x) => sum + x, 0) / found.length;
    const range = found.length > 1 ? ` (${percent(Math.min(...found))}-${percent(Math.max(...found))})` : "";
    return `${percent(mean)}${range}`;
  };
  const rows = [
    ["layout", ...tasks.map(({ name }) => name)],
    columns.map(() => "---").concat("---"),
    ...Object.entries(SHAPES).map(([shape, label]) => [label, ...columns.map((_, c) => cell(c, shape))]),
  ];
  console.log(rows.map((row) => `| ${row.join(" | ")} |`).join("\n"));
}
