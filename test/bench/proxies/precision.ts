// Effect of training with bfloat16 products on scores. Layouts of a sweep's space are trained by its own
// tasks and steps in both precisions from the same seeds. Reports differences of loss and accuracy, and
// Kendall's tau between the two orders. The tau of two float32 seeds beside it shows the effect of chance
// alone.
import { PRECISIONS, type Precision } from "../../../profilers/requests.ts";
import { agreement } from "../../../profilers/statistics/kendall.ts";
import { meanInterval } from "../../../profilers/statistics/student.ts";
import { createRng } from "../../../search/rng.ts";
import type { Planned, Run, RunBook } from "./book.ts";
import { plan } from "./plan.ts";
import { scheduleOf, shownTau, tasksAndProxies } from "./ranking.ts";

export interface PrecisionOptions {
  readonly config: string;
  /** Part of the names of the tasks to run. */
  readonly task: string;
  readonly seeds: readonly number[];
  readonly layouts: number;
}

const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const SCORES: Readonly<Record<string, (run: Run) => number>> = {
  accuracy: ({ accuracy }) => accuracy,
  loss: ({ loss }) => loss,
};

export async function precision(book: RunBook, options: PrecisionOptions): Promise<void> {
  for (const { name, task, prepared, notations } of await tasksAndProxies(options)) {
    const planned = (notation: string, seed: number, of: Precision): Planned => {
      const more = of === "float32" ? {} : { precision: of };
      return plan("precision", notation, prepared, scheduleOf(task, 1), seed, more, of);
    };
    await book.train(
      options.seeds.flatMap((seed) =>
        notations.flatMap((notation) => PRECISIONS.map((of) => planned(notation, seed, of))),
      ),
    );
    const found = (notation: string, seed: number, of: Precision): Run | undefined =>
      book.get(planned(notation, seed, of).key);
    const there = notations.flatMap((notation) => {
      const pairs = options.seeds.flatMap((seed) => {
        const pair = PRECISIONS.flatMap((of) => found(notation, seed, of) ?? []);
        return pair.length === 2 ? [pair as [Run, Run]] : [];
      });
      return pairs.length > 0 ? [{ notation, pairs }] : [];
    });
    console.log(
      `\n${name}: ${scheduleOf(task, 1).steps} steps, ${options.seeds.length} seeds, ${there.length} layouts\n`,
    );
    console.log(
      "| layout | accuracy: float32 | bfloat16 | loss: float32 | bfloat16 |\n|---|---|---|---|---|",
    );
    for (const { notation, pairs } of there) {
      const cells = Object.values(SCORES).flatMap((score) =>
        [0, 1].map((of) => pairs.map((pair) => score(pair[of]!).toFixed(3)).join(" ")),
      );
      console.log(`| ${[`\`${notation}\``, ...cells].join(" | ")} |`);
    }
    console.log(
      "\n| score | bfloat16 less float32: mean, 95% | largest | the same of two seeds in float32 | tau of the precisions | of two seeds |\n|---|---|---|---|---|---|",
    );
    for (const [what, score] of Object.entries(SCORES)) {
      const differences = there.flatMap(({ pairs }) =>
        pairs.map(([exact, rounded]) => score(rounded) - score(exact)),
      );
      const interval = meanInterval(differences);
      const seeds = there.flatMap(({ pairs }) =>
        pairs.length > 1 ? [[score(pairs[0]![0]), score(pairs[1]![0])] as const] : [],
      );
      const both = there.map(
        ({ pairs }) =>
          [
            mean(pairs.map(([exact]) => score(exact))),
            mean(pairs.map(([, rounded]) => score(rounded))),
          ] as const,
      );
      const largest = (values: readonly number[]): string =>
        values.length === 0 ? "-" : Math.max(...values.map(Math.abs)).toFixed(4);
      const range = interval === null ? "" : ` [${interval[0].toFixed(4)}, ${interval[1].toFixed(4)}]`;
      console.log(
        `| ${what} | ${mean(differences).toFixed(4)}${range} | ${largest(differences)} | ${largest(seeds.map(([a, b]) => a - b))} | ${shownTau(agreement(both, createRng(1)))} | ${shownTau(agreement(seeds, createRng(1)))} |`,
      );
    }
  }
}
