// The formats a report comes in. A new format is a file beside this one and a line here; the command line follows from it.
import { plotly } from "./assets.ts";
import { renderCsv } from "./csv.ts";
import { renderHtml } from "./html.ts";
import { renderJson, renderJsonl } from "./json.ts";
import { renderMarkdown } from "./md.ts";
import type { ReportData } from "./model.ts";
import { renderParquet } from "./parquet.ts";

export const reportFormats = {
  html: (data) => renderHtml(data, { plotly: plotly() }),
  md: renderMarkdown,
  csv: renderCsv,
  json: renderJson,
  jsonl: renderJsonl,
} as const satisfies Record<string, (data: ReportData) => string>;

export type ReportFormat = keyof typeof reportFormats;
export const reportFormatNames = Object.keys(reportFormats) as readonly ReportFormat[];

/** Formats that are bytes: files only, never a terminal. */
export const binaryReportFormats = {
  parquet: renderParquet,
} as const satisfies Record<string, (data: ReportData) => Uint8Array>;

export type BinaryReportFormat = keyof typeof binaryReportFormats;
