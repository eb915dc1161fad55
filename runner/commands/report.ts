// edgefront report: a sweep as html, md, csv, json, jsonl or parquet.
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { ReportData } from "../../reports/model.ts";
import {
  type BinaryReportFormat,
  binaryReportFormats,
  type ReportFormat,
  reportFormatNames,
  reportFormats,
} from "../../reports/registry.ts";
import { findingsOf, reportWithFindings } from "../findings/findings.ts";
import { reportData } from "../report-data.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweeps.ts";
import { print, printEither, say, withDatabase, withJson, withStore } from "./common.ts";
import { writeWhole } from "./output.ts";

type Format = ReportFormat | BinaryReportFormat;

interface Args {
  sweep: string;
  db: string;
  json: boolean;
  format: Format;
  out: string | undefined;
}

const isBinary = (format: Format): format is BinaryReportFormat => format in binaryReportFormats;
const formatNames: readonly Format[] = [
  ...reportFormatNames,
  ...(Object.keys(binaryReportFormats) as BinaryReportFormat[]),
];

/** For people with findings, and of a very large sweep a selection; json with findings too; every other format each trial as it is. */
function dataFor(store: Store, sweep: Sweep, format: Format): ReportData {
  if (format === "html" || format === "md") return reportWithFindings(store, sweep);
  const data = reportData(store, sweep);
  return format === "json" ? { ...data, findings: findingsOf(store, sweep, data) } : data;
}

/** Writes a report whole or not at all. Throws InvalidInputError (`unwritable-output`) when it cannot. */
export function writeReport(store: Store, sweep: Sweep, format: Format, out: string): void {
  const data = dataFor(store, sweep, format);
  writeWhole(out, isBinary(format) ? binaryReportFormats[format](data) : reportFormats[format](data));
}

export const reportCommand: CommandModule<object, Args> = {
  command: "report <sweep>",
  describe: "Write a sweep's report",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("format", { choices: formatNames, default: "html" as Format, describe: "kind of report" })
      .option("out", {
        type: "string",
        requiresArg: true,
        describe: "file to write (html: report.html; other text: stdout)",
      })
      .check(({ format, out }) => {
        if (isBinary(format as Format) && out === undefined)
          throw new InvalidInputError("usage", `${format} is bytes, not text: name a file with --out`);
        return true;
      })
      .example("$0 report quickstart", "write report.html")
      .example("$0 report quickstart --format csv > trials.csv", "every trial as a table")
      .example("$0 report quickstart --format parquet --out trials.parquet", "for pandas or DuckDB"),
  handler: ({ db, sweep: name, format, out, json }) =>
    withStore(db, { mustExist: true }, (store) => {
      const sweep = store.sweeps.get(name);
      const file = out ?? (format === "html" ? "report.html" : undefined);
      if (file === undefined)
        return print(reportFormats[format as ReportFormat](dataFor(store, sweep, format)));
      writeReport(store, sweep, format, file);
      if (json) printEither(true, { sweep: name, format, out: file }, () => "");
      else say(`wrote ${file}`);
    }),
};
