// edgefront ui: the report of a sweep in a browser, following it while it runs.

import { once } from "node:events";
import { setPriority } from "node:os";
import type { CommandModule } from "yargs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Store } from "../store/store.ts";
import { startUi } from "../ui/server.ts";
import { interruptSignal, print, say, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

/** A sweep on the same machine goes first; low enough to wait for it, not so low that pages would come late. */
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
      .option("port", { type: "number", default: 7317, describe: "port to listen on; 0: any free one" })
      .option("host", {
        type: "string",
        default: "127.0.0.1",
        requiresArg: true,
        describe: "address to listen on; beyond this machine a token is needed",
      })
      .check(({ port }) => {
        if (!Number.isInteger(port) || port < 0 || port > 65_535)
          throw new InvalidInputError("usage", "--port is a number from 0 to 65535");
        return true;
      })
      .example(example("$0 ui", "the newest sweep, at http://127.0.0.1:7317/"))
      .example(example("$0 ui quickstart --port 8080", "one sweep, at another port"))
      .example(example("$0 ui --host 0.0.0.0", "from other machines, with the token it prints")),
  handler: async ({ sweep, db, port, host, json }) => {
    // A database of an older version is brought up to date first, as any other command would.
    const first = Store.read(db, { onNote: say });
    setPriority(NICENESS);
    // Read only: a page that is open must never hold up the sweep it shows.
    const live = Store.follow(db);
    if (live !== null) first.close();
    else say(`${db} may only be read: the page shows it as it is now, not what is written to it later`);
    const store = live ?? first;
    try {
      const signal = interruptSignal();
      const ui = await startUi({ store, sweep, host, port });
      if (json) print(JSON.stringify({ url: ui.url }));
      else {
        print(ui.url);
        say("Ctrl-C ends it; sweeps go on without it.");
      }
      if (!signal.aborted) await once(signal, "abort");
      await ui.close();
    } finally {
      store.close();
    }
  },
};
