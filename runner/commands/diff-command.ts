// edgefront diff: changes from one sweep to another that exceed the noise.

import type { CommandModule } from "yargs";
import type { SweepDiff } from "../../reports/diff.ts";
import { renderDiff } from "../../reports/diff-text.ts";
import { compareSweeps } from "../reading/sweep-diff.ts";
import type { Store } from "../store/store.ts";
import { printEither, readStore, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  before: string;
  after: string;
  db: string;
  against: string | undefined;
  json: boolean;
}

export const diffCommand: CommandModule<object, Args> = {
  command: "diff <before> <after>",
  describe: "Compare two sweeps: configuration, front and metrics, beyond the noise",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("before", { type: "string", demandOption: true, describe: "name of the first sweep" })
      .positional("after", { type: "string", demandOption: true, describe: "name of the second sweep" })
      .option("against", {
        type: "string",
        requiresArg: true,
        describe: "database of the second sweep (default: that of --db)",
      })
      .example(
        example("$0 diff quickstart quickstart", "Compare a sweep with itself: what no change looks like"),
      )
      .example(
        example(
          "$0 diff quickstart quickstart --against edgefront.db",
          "Read the second sweep from another database",
        ),
      ),
  handler: async ({ before, after, db, against, json }) => {
    const open = <T>(path: string, work: (store: Store) => T) => readStore(path, work);
    const diff = await open(db, (first) => {
      const compare = (second: Store): SweepDiff =>
        compareSweeps(
          { store: first, sweep: first.sweeps.get(before) },
          { store: second, sweep: second.sweeps.get(after) },
        );
      return against === undefined ? compare(first) : open(against, compare);
    });
    printEither(json, diff, () => renderDiff(diff));
  },
};
