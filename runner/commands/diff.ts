// edgefront diff: what changed from one sweep to another, told apart from noise.
import type { CommandModule } from "yargs";
import { renderDiff } from "../../reports/diff-text.ts";
import type { ReportData } from "../../reports/model.ts";
import { reportData } from "../report-data.ts";
import { sweepDiff } from "../sweep-diff.ts";
import { printEither, withDatabase, withJson, withStore } from "./common.ts";

interface Args {
  before: string;
  after: string;
  db: string;
  against: string | undefined;
  json: boolean;
}

const read = (db: string, sweep: string): Promise<ReportData> =>
  withStore(db, { mustExist: true }, (store) =>
    reportData(store, store.sweeps.get(sweep), { conditions: true }),
  );

export const diffCommand: CommandModule<object, Args> = {
  command: "diff <before> <after>",
  describe: "Show what changed between two sweeps: configuration, front, metrics",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("before", { type: "string", demandOption: true, describe: "name of a sweep" })
      .positional("after", { type: "string", demandOption: true, describe: "name of the other" })
      .option("against", {
        type: "string",
        requiresArg: true,
        describe: "database of the second sweep (default: the same)",
      })
      .example("$0 diff monday tuesday", "two sweeps of one database")
      .example("$0 diff quickstart quickstart --against laptop.db", "the same sweep on two machines"),
  handler: async ({ before, after, db, against, json }) => {
    const diff = sweepDiff(await read(db, before), await read(against ?? db, after));
    printEither(json, diff, () => renderDiff(diff));
  },
};
