// edgefront report: a sweep as html, md, csv or json.
import { renameSync, writeFileSync } from "node:fs";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type ReportFormat, reportFormatNames, reportFormats } from "../../reports/registry.ts";
import { reportData } from "../report-data.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweeps.ts";
import { print, printEither, say, withDatabase, withJson, withStore } from "./common.ts";

interface Args {
  sweep: string;
  db: string;
  json: boolean;
  format: ReportFormat;
  out: string | undefined;
}

/** Writes a report whole or not at all. Throws InvalidInputError (`unwritable-output`) when it cannot. */
export function writeReport(store: Store, sweep: Sweep, format: ReportFormat, out: string): void {
  const text = reportFormats[format](reportData(store, sweep));
  const part = `${out}.${process.pid}.part`;
  try {
    writeFileSync(part, text);
    renameSync(part, out);
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? "unwritable";
    throw new InvalidInputError(
      "unwritable-output",
      `cannot write ${out} (${why}); name another file with --out`,
      { cause },
    );
  }
}

export const reportCommand: CommandModule<object, Args> = {
  command: "report <sweep>",
  describe: "Write a sweep's report",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .option("format", {
        choices: reportFormatNames,
        default: "html" as ReportFormat,
        describe: "kind of report",
      })
      .option("out", {
        type: "string",
        requiresArg: true,
        describe: "file to write (html: report.html; others: stdout)",
      })
      .example("$0 report quickstart", "write report.html")
      .example("$0 report quickstart --format csv > trials.csv", "every trial as a table"),
  handler: ({ db, sweep: name, format, out, json }) =>
    withStore(db, { mustExist: true }, (store) => {
      const sweep = store.sweeps.get(name);
      const file = out ?? (format === "html" ? "report.html" : undefined);
      if (file === undefined) return print(reportFormats[format](reportData(store, sweep)));
      writeReport(store, sweep, format, file);
      if (json) printEither(true, { sweep: name, format, out: file }, () => "");
      else say(`wrote ${file}`);
    }),
};
