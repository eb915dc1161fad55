// edgefront report: a sweep as html, md, csv, json, jsonl or parquet.

import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import {
  binaryRowFormats,
  isBinaryFormat,
  isPageFormat,
  pageFormats,
  type ReportFormat,
  reportFormatNames,
  textRowFormats,
} from "../../reports/format-registry.ts";
import type { ReportRows } from "../../reports/report-model.ts";
import { reportWithFindings } from "../findings/sweep-findings.ts";
import { reportRows } from "../reading/sweep-reader.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { print, printEither, readStore, say, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";
import { printPieces, writeWhole } from "./output.ts";
import { outputTarget } from "./output-target.ts";
import { defaultReport } from "./report-file.ts";

interface Args {
  sweep: string;
  db: string;
  json: boolean;
  format: ReportFormat;
  out: string | undefined;
}

function rowsFor(
  store: Store,
  sweep: Sweep,
  { evidence, history }: { readonly evidence: boolean; readonly history: boolean },
): ReportRows {
  const rows = reportRows(store, sweep, { evidence, jobs: history });
  return history ? { ...rows, findings: reportWithFindings(store, sweep).findings } : rows;
}

/**
 * Writes a report, completely or not at all.
 * @throws the errors of writeWhole.
 */
export async function writeReport(
  store: Store,
  sweep: Sweep,
  format: ReportFormat,
  out: string,
): Promise<void> {
  if (isPageFormat(format)) return writeWhole(out, pageFormats[format](reportWithFindings(store, sweep)));
  const rows = isBinaryFormat(format) ? binaryRowFormats[format] : textRowFormats[format];
  return writeWhole(out, rows.render(rowsFor(store, sweep, rows)));
}

export const reportCommand: CommandModule<object, Args> = {
  command: "report <sweep>",
  describe: "Write a sweep's report: a page, or all its trials as data",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("format", {
        choices: reportFormatNames,
        default: "html" as ReportFormat,
        describe: "format of the report",
      })
      .option("out", {
        type: "string",
        requiresArg: true,
        describe: "file to write (html: report-NAME.html; other text: stdout)",
      })
      .check(({ format, out }) => {
        if (isBinaryFormat(format as ReportFormat) && out === undefined)
          throw new InvalidInputError(
            "usage",
            `--format ${format} is a binary format; name a file with --out trials.${format}`,
          );
        return true;
      })
      .example(example("$0 report quickstart", "Write report-quickstart.html"))
      .example(example("$0 report quickstart --format csv > trials.csv", "Write every trial as a table"))
      .example(
        example(
          "$0 report quickstart --format parquet --out trials.parquet",
          "Write every trial for pandas or DuckDB",
        ),
      ),
  handler: ({ db, sweep: name, format, out, json }) =>
    readStore(db, async (store) => {
      const sweep = store.sweeps.get(name);
      const file = out ?? (format === "html" ? defaultReport(name, sweep.createdAt) : undefined);
      if (file !== undefined) {
        outputTarget(file);
        await writeReport(store, sweep, format, file);
        if (json) printEither(true, { sweep: name, format, out: file }, () => "");
        else say(`wrote ${file}`);
      } else if (isPageFormat(format)) print(pageFormats[format](reportWithFindings(store, sweep)));
      else if (!isBinaryFormat(format)) {
        const rows = textRowFormats[format];
        await printPieces(rows.render(rowsFor(store, sweep, rows)));
      }
    }),
};
