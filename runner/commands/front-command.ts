// edgefront front: the Pareto front of a sweep.

import type { CommandModule } from "yargs";
import { frontJson } from "../../reports/json.ts";
import { renderTable } from "../../reports/table.ts";
import { frontOf } from "../reading/front-data.ts";
import { printEither, readStore, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  sweep: string;
  db: string;
  json: boolean;
}

export const frontCommand: CommandModule<object, Args> = {
  command: "front <sweep>",
  describe: "Print the Pareto front of a sweep",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .example(example("$0 front quickstart", "Print the front as a table"))
      .example(example("$0 front quickstart --json", "Print every point with its intervals as JSON")),
  handler: ({ db, json, sweep }) =>
    readStore(db, (store) => {
      const data = frontOf(store, store.sweeps.get(sweep));
      printEither(json, frontJson(data), () => renderTable(data, { width: process.stdout.columns || 100 }));
    }),
};
