// CSV with one row for every trial, whatever its state. A metric fills five columns: value, and min, max, n,
// stable of its raw samples. Empty cells mean not measured; nothing is filled in.
import { inOrder, sampleRange } from "./metrics.ts";
import type { ReportRows } from "./report-model.ts";
import { csvCell } from "./text.ts";

const FIXED = [
  "trial",
  "id",
  "state",
  "on_front",
  "published",
  "parameters",
  "pattern",
  "notation",
  "reason",
] as const;

const line = (cells: readonly (string | number | boolean | null)[]): string =>
  `${cells.map(csvCell).join(",")}\r\n`;

/** Yields the CSV line by line, the head first. */
export function* renderCsv(rows: ReportRows): Generator<string> {
  // Counted metrics with a column of their own (parameters) are not repeated, because a head must name one
  // column.
  const fixed: ReadonlySet<string> = new Set(FIXED);
  const metrics = inOrder(rows.metrics, rows).filter((name) => !fixed.has(name));
  yield line([
    ...FIXED,
    ...metrics.flatMap((name) => [name, `${name}.min`, `${name}.max`, `${name}.n`, `${name}.stable`]),
  ]);
  for (const trial of rows.trials)
    yield line([
      trial.number,
      trial.id,
      trial.state,
      trial.onFront,
      trial.published,
      trial.parameters,
      trial.pattern,
      trial.notation,
      trial.reason,
      ...metrics.flatMap((name) => {
        const metric = trial.metrics[name];
        if (metric === undefined) return [null, null, null, null, null];
        const range = sampleRange(metric);
        return [metric.value, range?.low ?? null, range?.high ?? null, range?.n ?? null, metric.stable];
      }),
    ]);
}
