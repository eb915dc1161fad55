// edgefront sweeps: lists the sweeps in a database.

import type { CommandModule } from "yargs";
import { columns, printEither, readStore, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  db: string;
  json: boolean;
}

export const sweepsCommand: CommandModule<object, Args> = {
  command: "sweeps",
  describe: "List the sweeps in a database",
  builder: (yargs) =>
    withJson(withDatabase(yargs)).example(example("$0 sweeps", "List the sweeps in ./edgefront.db")),
  handler: ({ db, json }) =>
    readStore(db, (store) => {
      const sweeps = store.sweeps.all().map((sweep) => ({
        name: sweep.name,
        state: sweep.state === "complete" ? "complete" : sweep.isRunning ? "running" : "stopped",
        proposed: sweep.trials,
        trials: sweep.config.search.trials,
        createdAt: sweep.createdAt,
        finishedAt: sweep.finishedAt,
      }));
      printEither(json, { sweeps }, () =>
        sweeps.length === 0
          ? `${db} has no sweeps. Start one with: edgefront sweep configs/quickstart.yaml`
          : columns([
              ["NAME", "STATE", "PROPOSED", "STARTED"],
              ...sweeps.map((s) => [
                s.name,
                s.state,
                `${s.proposed}/${s.trials}`,
                s.createdAt.slice(0, 16).replace("T", " "),
              ]),
            ]),
      );
    }),
};
