// edgefront ui: the report of a sweep in a browser, live while the sweep runs.

import { once } from "node:events";
import { setPriority } from "node:os";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Store } from "../store/store.ts";
import { startUi } from "../ui/server.ts";
import { interruptSignal, print, say, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

/** Lower priority than a sweep on the same machine, but high enough for fast pages. */
const NICENESS = 5;

interface Args {
  sweep: string | undefined;
  db: string;
  port: number;
  host: string;
  json: boolean;
}

export const uiCommand: CommandModule<object, Args> = {
  command: "ui [sweep]",
  describe: "Show a sweep in the browser, live while it runs",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", describe: "name of the sweep (default: the newest)" })
      .option("port", { type: "number", default: 7317, describe: "port to listen on; 0: any free port" })
      .option("host", {
        type: "string",
        default: "127.0.0.1",
        requiresArg: true,
        describe: "address to listen on; other machines need the token that is printed",
      })
      .check(({ port }) => {
        if (!Number.isInteger(port) || port < 0 || port > 65_535)
          throw new InvalidInputError(
            "usage",
            `--port is ${port}, but must be a whole number from 0 to 65535; try --port 7317`,
          );
        return true;
      })
      .example(example("$0 ui", "Show the newest sweep at http://127.0.0.1:7317/"))
      .example(example("$0 ui quickstart --port 8080", "Show one sweep at another port"))
      .example(example("$0 ui --host 0.0.0.0", "Allow other machines, with the token that is printed")),
  handler: async ({ sweep, db, port, host, json }) => {
    // Opening the database for reading migrates an older version first, like every command.
    const first = Store.read(db, { onNote: say });
    setPriority(NICENESS);
    // Read only: an open page must never block the sweep it shows.
    const live = Store.follow(db);
    if (live !== null) first.close();
    else say(`${db} is read-only for this user: the page shows its present state and does not update`);
    const store = live ?? first;
    try {
      const signal = interruptSignal();
      const ui = await startUi({ store, sweep, host, port });
      if (json) print(JSON.stringify({ url: ui.url }));
      else {
        print(ui.url);
        say("Ctrl-C stops the page; running sweeps continue.");
      }
      if (!signal.aborted) await once(signal, "abort");
      await ui.close();
    } finally {
      store.close();
    }
  },
};
