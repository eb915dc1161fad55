// Distillation: validation loss and gradient norms of plain cross-entropy, of top-K (truncate, then temper)
// and of the decoupled top-K objective (LFM2 Technical Report, arXiv 2511.23404, 3.3), on real text.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Planned, Run, RunBook } from "./book.ts";
import { plan } from "./plan.ts";
import { textTask } from "./text.ts";

const TEACHER = "v256 d64 f128 h4/2x16 : c3 c3 g c3 c3 g";
const STUDENT = "v256 d32 f64 h2/1x16 : c3 g c3 g";
const K = 32;
type Kind = "top-k" | "decoupled-top-k";
const ROWS: readonly { readonly kind: Kind; readonly temperature: number; readonly mix: number }[] = [
  ...[1, 2, 4].flatMap((temperature) =>
    (["top-k", "decoupled-top-k"] as const).map((kind) => ({ kind, temperature, mix: 0.5 })),
  ),
  ...(["top-k", "decoupled-top-k"] as const).map((kind) => ({ kind, temperature: 2, mix: 1 })),
];

export interface DistillationOptions {
  readonly steps: number;
  readonly seeds: readonly number[];
  /** File of the runs. The teacher's weights are stored beside it. */
  readonly out: string;
}

export async function distillation(book: RunBook, { steps, seeds, out }: DistillationOptions): Promise<void> {
  const task = await textTask();
  const teacherSteps = 2 * steps;
  const path = resolve(dirname(out), `teacher-${teacherSteps}.gguf`);
  const schedule = { batch: 32, rate: 6e-3 };
  const teacher = plan(
    "distil",
    TEACHER,
    task,
    { ...schedule, steps: teacherSteps },
    1,
    { out: path },
    "teacher",
  );
  await book.train([teacher]);
  if (!existsSync(path)) throw new Error(`${path} is gone; take another --out to train the teacher again`);
  const plain = (seed: number): Planned => plan("distil", STUDENT, task, { ...schedule, steps }, seed);
  const taught = (row: (typeof ROWS)[number], seed: number): Planned => {
    const more = { objective: { ...row, k: K }, teacher: { path } };
    const what = `${row.kind} temperature ${row.temperature} mix ${row.mix}`;
    return plan("distil", STUDENT, task, { ...schedule, steps }, seed, more, what);
  };
  await book.train(seeds.flatMap((seed) => [plain(seed), ...ROWS.map((row) => taught(row, seed))]));
  console.log(
    `teacher ${TEACHER}: ${book.get(teacher.key)?.loss.toFixed(4)} nats a byte after ${teacherSteps} steps`,
  );
  console.log(`student ${STUDENT}: ${steps} steps, K = ${K}, ${seeds.length} seeds\n`);
  console.log(
    "| objective | temperature | share | validation loss (range) | gradient norm: first tenth | last tenth | largest |\n|---|---|---|---|---|---|---|",
  );
  const print = (
    name: string,
    temperature: string,
    mix: string,
    planned: (seed: number) => Planned,
  ): void => {
    const runs = seeds.flatMap((seed) => book.get(planned(seed).key) ?? []);
    if (runs.length === 0) return;
    const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
    const over = (value: (run: Run) => number): number => mean(runs.map(value));
    const tenth = Math.max(1, Math.floor(runs[0]!.norms.length / 10));
    const norms = (run: Run): number[] => run.norms.map(([, norm]) => norm);
    const losses = runs.map(({ loss }) => loss);
    const cells = [
      `${mean(losses).toFixed(4)} (${Math.min(...losses).toFixed(4)}-${Math.max(...losses).toFixed(4)})`,
      over((run) => mean(norms(run).slice(0, tenth))).toFixed(2),
      over((run) => mean(norms(run).slice(-tenth))).toFixed(2),
      over((run) => Math.max(...norms(run))).toFixed(2),
    ];
    console.log(`| ${[name, temperature, mix, ...cells].join(" | ")} |`);
  };
  print("cross-entropy", "-", "-", plain);
  for (const row of ROWS) print(row.kind, `${row.temperature}`, `${row.mix}`, (seed) => taught(row, seed));
}
