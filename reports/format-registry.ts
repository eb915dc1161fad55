// Lists the formats of a report. A new format needs a file beside this one and a line here; the command line
// follows from it.
import { plotly } from "./assets.ts";
import { renderCsv } from "./csv.ts";
import { renderHtml } from "./html.ts";
import { renderJson, renderJsonl } from "./json.ts";
import { renderMarkdown } from "./md.ts";
import { renderParquet } from "./parquet.ts";
import type { ReportData, ReportRows } from "./report-model.ts";

/** Formats for people. A very large sweep is shown as a selection. */
export const pageFormats = {
  html: (data) => renderHtml(data, { plotly: plotly() }),
  md: renderMarkdown,
} as const satisfies Record<string, (data: ReportData) => string>;

interface RowFormat<T extends string | Uint8Array> {
  /** Renders in pieces, while trials are read. */
  readonly render: (rows: ReportRows) => Iterable<T>;
  /** True if the format includes the provenance of each value. */
  readonly evidence: boolean;
  /** True if the format includes timeline and findings. */
  readonly history: boolean;
}

/** Formats for programs, with every trial. */
export const textRowFormats = {
  csv: { render: renderCsv, evidence: false, history: false },
  json: { render: renderJson, evidence: true, history: true },
  jsonl: { render: renderJsonl, evidence: true, history: false },
} as const satisfies Record<string, RowFormat<string>>;

/** Binary formats, for files only. */
export const binaryRowFormats = {
  parquet: { render: renderParquet, evidence: false, history: false },
} as const satisfies Record<string, RowFormat<Uint8Array>>;

type TextRowFormat = keyof typeof textRowFormats;
export type BinaryRowFormat = keyof typeof binaryRowFormats;
export type PageFormat = keyof typeof pageFormats;
export type ReportFormat = PageFormat | TextRowFormat | BinaryRowFormat;

/** Returns true for a format for people. */
export const isPageFormat = (format: ReportFormat): format is PageFormat => format in pageFormats;
/** Returns true for a binary format. */
export const isBinaryFormat = (format: ReportFormat): format is BinaryRowFormat => format in binaryRowFormats;

export const reportFormatNames = [
  ...Object.keys(pageFormats),
  ...Object.keys(textRowFormats),
  ...Object.keys(binaryRowFormats),
] as readonly ReportFormat[];
