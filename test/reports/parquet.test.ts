import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { binaryReportFormats } from "../../reports/registry.ts";
import { testReportData } from "../support/report-data.ts";

test("Parquet reads back to every metric of every trial, and keeps trials without any", async () => {
  const data = testReportData();
  const bytes = binaryReportFormats.parquet(data);
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
