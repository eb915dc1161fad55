// edgefront findings: what a sweep says beyond its front.

import type { CommandModule } from "yargs";
import { findingsText } from "../../reports/findings-text.ts";
import { reportWithFindings } from "../findings/sweep-findings.ts";
import { printEither, readStore, terminalWidth, withDatabase, withJson } from "./common.ts";
import { example } from "./examples.ts";

interface Args {
  sweep: string;
  db: string;
  json: boolean;
}

export const findingsCommand: CommandModule<object, Args> = {
  command: "findings <sweep>",
  describe: "What measuring bought, how certain the front is, how well measurements can be foretold",
  builder: (yargs) =>
    withJson(withDatabase(yargs))
      .positional("sweep", { type: "string", demandOption: true, describe: "name of the sweep" })
      .example(example("$0 findings quickstart", "as text"))
      .example(example("$0 findings quickstart --json", "every figure, for machines")),
  handler: ({ db, json, sweep: name }) =>
    readStore(db, (store) => {
      const { findings = [] } = reportWithFindings(store, store.sweeps.get(name));
      printEither(json, { sweep: name, findings }, () =>
        findings.length === 0
          ? "No findings yet: no trial is complete."
          : findingsText(findings, terminalWidth()),
      );
    }),
};
