// The measurements as Parquet, one row a metric of a trial, for pandas, DuckDB and the like. A trial without any metric keeps
// one row with none, so that nothing that was tried is missing.
import { parquetWriteBuffer } from "hyparquet-writer";
import { sampleRange } from "./metrics.ts";
import type { ReportData, ReportMetric, ReportTrial } from "./model.ts";

interface Row {
  readonly trial: ReportTrial;
  readonly name: string | null;
  readonly metric: ReportMetric | null;
}

type Type = "STRING" | "INT32" | "INT64" | "DOUBLE" | "BOOLEAN";
const column = <T>(name: string, type: Type, rows: readonly Row[], value: (row: Row) => T | null) => ({
  name,
  type,
  nullable: true,
  data: rows.map(value),
});

export function renderParquet(data: ReportData): Uint8Array {
  const rows = data.trials.flatMap((trial): Row[] => {
    const metrics = Object.entries(trial.metrics).map(([name, metric]) => ({ trial, name, metric }));
    return metrics.length > 0 ? metrics : [{ trial, name: null, metric: null }];
  });
  const range = (row: Row) => (row.metric === null ? null : sampleRange(row.metric));
  const buffer = parquetWriteBuffer({
    columnData: [
      column("sweep", "STRING", rows, () => data.sweep),
      column("trial", "INT32", rows, ({ trial }) => trial.number),
      column("id", "STRING", rows, ({ trial }) => trial.id),
      column("state", "STRING", rows, ({ trial }) => trial.state),
      column("on_front", "BOOLEAN", rows, ({ trial }) => trial.onFront),
      column("published", "STRING", rows, ({ trial }) => trial.published),
      column("parameters", "INT64", rows, ({ trial }) => BigInt(trial.parameters)),
      column("notation", "STRING", rows, ({ trial }) => trial.notation),
      column("reason", "STRING", rows, ({ trial }) => trial.reason),
      column("metric", "STRING", rows, ({ name }) => name),
      column("value", "DOUBLE", rows, ({ metric }) => metric?.value ?? null),
      column("unit", "STRING", rows, ({ metric }) => metric?.unit ?? null),
      column("min", "DOUBLE", rows, (row) => range(row)?.low ?? null),
      column("max", "DOUBLE", rows, (row) => range(row)?.high ?? null),
      column("n", "INT32", rows, (row) => range(row)?.n ?? null),
      column("stable", "BOOLEAN", rows, ({ metric }) => metric?.stable ?? null),
      column("samples", "STRING", rows, ({ metric }) => (metric ? JSON.stringify(metric.samples) : null)),
    ],
  });
  return new Uint8Array(buffer);
}
