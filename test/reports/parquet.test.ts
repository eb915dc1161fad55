import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { renderParquet } from "../../reports/parquet.ts";
import { testReportData } from "../support/report-data.ts";
import { renderedBytes, rowsOf } from "../support/report-formats.ts";

test("Parquet reads back to every metric of every trial, and keeps trials without any", async () => {
  const data = testReportData();
  const bytes = renderedBytes("parquet", data);
  const rows = await parquetReadObjects({ file: bytes.buffer as ArrayBuffer });
  const expected = data.trials.reduce((n, trial) => n + Math.max(1, Object.keys(trial.metrics).length), 0);
  expect(rows).toHaveLength(expected);
  for (const trial of data.trials) {
    const own = rows.filter((row) => row.trial === trial.number);
    expect(own.every((row) => row.id === trial.id && row.state === trial.state)).toBe(true);
    for (const [name, metric] of Object.entries(trial.metrics)) {
      const row = own.find((candidate) => candidate.metric === name)!;
      expect(row.value).toBe(metric.value);
      expect(JSON.parse(row.samples)).toEqual(metric.samples);
    }
  }
});

test("Parquet in several row groups holds the same rows; of a sweep without trials it holds none", async () => {
  const data = testReportData();
  const read = (pieces: Iterable<Uint8Array>) => {
    const file = new Uint8Array(Buffer.concat([...pieces])).buffer;
    return { groups: parquetMetadata(file).row_groups.length, rows: parquetReadObjects({ file }) };
  };
  const [one, several] = [read(renderParquet(rowsOf(data))), read(renderParquet(rowsOf(data), 100))];
  expect([one.groups, several.groups > 3]).toEqual([1, true]);
  expect(await several.rows).toEqual(await one.rows);
  expect(await read(renderParquet({ ...rowsOf(data), trials: [] })).rows).toEqual([]);
});
