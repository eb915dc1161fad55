// The measurements as Parquet, one row per metric of a trial, for pandas, DuckDB and similar tools. A trial
// without metrics keeps one row, so that every tried layout is present. The file is written one row group at
// a time.
import { ByteWriter, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { sampleRange } from "./metrics.ts";
import type { ReportMetric, ReportRows, ReportTrial } from "./report-model.ts";

/** Approximate number of rows held in memory at once. */
const GROUP = 50_000;

interface Row {
  readonly sweep: string;
  readonly trial: ReportTrial;
  readonly name: string | null;
  readonly metric: ReportMetric | null;
}

type Type = "STRING" | "INT32" | "INT64" | "DOUBLE" | "BOOLEAN";
type Column = readonly [name: string, type: Type, value: (row: Row) => unknown];

const range = ({ metric }: Row) => (metric === null ? null : sampleRange(metric));

const COLUMNS: readonly Column[] = [
  ["sweep", "STRING", ({ sweep }) => sweep],
  ["trial", "INT32", ({ trial }) => trial.number],
  ["id", "STRING", ({ trial }) => trial.id],
  ["state", "STRING", ({ trial }) => trial.state],
  ["on_front", "BOOLEAN", ({ trial }) => trial.onFront],
  ["published", "STRING", ({ trial }) => trial.published],
  ["parameters", "INT64", ({ trial }) => BigInt(trial.parameters)],
  ["notation", "STRING", ({ trial }) => trial.notation],
  ["reason", "STRING", ({ trial }) => trial.reason],
  ["metric", "STRING", ({ name }) => name],
  ["value", "DOUBLE", ({ metric }) => metric?.value ?? null],
  ["unit", "STRING", ({ metric }) => metric?.unit ?? null],
  ["min", "DOUBLE", (row) => range(row)?.low ?? null],
  ["max", "DOUBLE", (row) => range(row)?.high ?? null],
  ["n", "INT32", (row) => range(row)?.n ?? null],
  ["stable", "BOOLEAN", ({ metric }) => metric?.stable ?? null],
  ["samples", "STRING", ({ metric }) => (metric ? JSON.stringify(metric.samples) : null)],
];

type Columns = readonly unknown[][];

/** Columns are filled at once, so that a trial can be freed as soon as its values are read. */
function* groups({ sweep, trials }: ReportRows, size: number): Generator<Columns> {
  const empty = (): Columns => COLUMNS.map(() => []);
  let group = empty();
  const add = (row: Row): void => {
    for (const [n, [, , value]] of COLUMNS.entries()) group[n]!.push(value(row));
  };
  for (const trial of trials) {
    const metrics = Object.entries(trial.metrics);
    if (metrics.length === 0) add({ sweep, trial, name: null, metric: null });
    for (const [name, metric] of metrics) add({ sweep, trial, name, metric });
    if (group[0]!.length < size) continue;
    yield group;
    group = empty();
  }
  if (group[0]!.length > 0) yield group;
}

/** Yields the Parquet file in pieces. */
export function* renderParquet(rows: ReportRows, groupSize = GROUP): Generator<Uint8Array> {
  const columnData = COLUMNS.map(([name, type]) => ({ name, type, nullable: true, data: [] }));
  const writer = new ByteWriter();
  const file = new ParquetWriter({ writer, schema: schemaFromColumnData({ columnData }) });
  const written = (): Uint8Array => {
    const bytes = writer.getBytes().slice();
    // Places in the file are counted by `offset`, which keeps increasing.
    writer.index = 0;
    return bytes;
  };
  for (const group of groups(rows, groupSize)) {
    file.write({
      columnData: COLUMNS.map(([name], n) => ({ name, data: group[n]! })),
      rowGroupSize: group[0]!.length,
    });
    yield written();
  }
  file.finish();
  yield written();
}
