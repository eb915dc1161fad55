// Renders reports as one text: the pieces that a command writes, joined.

import {
  binaryRowFormats,
  isPageFormat,
  type PageFormat,
  pageFormats,
  textRowFormats,
} from "../../reports/format-registry.ts";
import { metricNames } from "../../reports/metrics.ts";
import type { ReportData, ReportRows } from "../../reports/report-model.ts";

type TextFormat = PageFormat | keyof typeof textRowFormats;

export const textFormats = [
  ...Object.keys(pageFormats),
  ...Object.keys(textRowFormats),
] as readonly TextFormat[];

export const rowsOf = (data: ReportData): ReportRows => ({ ...data, metrics: metricNames(data) });

export const rendered = (format: TextFormat, data: ReportData): string =>
  isPageFormat(format)
    ? pageFormats[format](data)
    : [...textRowFormats[format].render(rowsOf(data))].join("");

export const renderedBytes = (format: keyof typeof binaryRowFormats, data: ReportData): Uint8Array =>
  new Uint8Array(Buffer.concat([...binaryRowFormats[format].render(rowsOf(data))]));
